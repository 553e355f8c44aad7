import { RegistryError } from '../oci/errors.ts';
import { respond } from './response.ts';

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** What scripts send beyond the headers that every page may send. `Accept` is one of those only while it is short. */
const REQUEST_HEADERS = 'Accept, Authorization, Content-Range, Content-Type, If-None-Match, If-Range, Range';
const RESPONSE_HEADERS = [
  'Accept-Ranges',
  'Content-Length',
  'Content-Range',
  'Docker-Content-Digest',
  'Docker-Distribution-Api-Version',
  'Docker-Upload-UUID',
  'ETag',
  'Link',
  'Location',
  'OCI-Chunk-Min-Length',
  'OCI-Filters-Applied',
  'OCI-Subject',
  'OCI-Tag',
  'Range',
  'Retry-After',
  'Warning',
  'WWW-Authenticate',
].join(', ');
/** Seconds for which a browser need not ask again. */
const PREFLIGHT_SECONDS = '600';

/**
 * What web pages may do here. A browser sends requests for any page that it shows, also to a registry that only it can reach, and
 * by DNS rebinding a page even gets them taken for its own site's. Registry clients send neither `Origin` nor `Sec-Fetch-Site`, and
 * a page cannot leave out what its browser sends with a request that writes.
 */
export class WebOrigins {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed origins as browsers write them, such as `https://ui.example` or `http://localhost:8080` */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  /** @throws RegistryError `denied` for a write by a web page whose origin is not allowed */
  checkWrite({ method, headers }: Request): void {
    if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return;
    const origin = headers.get('origin');
    if (origin !== null && this.#allowed.has(origin)) return;
    // "none": a person asked for it, by typing the address for example.
    if (origin === null && (headers.get('sec-fetch-site') ?? 'none') === 'none') return;
    throw new RegistryError(
      'denied',
      'web pages may not write to this registry, unless CORS_ORIGINS names their origin',
    );
  }

  /** The answer to a browser that asks whether a page of an allowed origin may send a request; undefined for anything else. */
  preflight({ method, headers }: Request): Response | undefined {
    if (method !== 'OPTIONS' || !headers.has('access-control-request-method')) return undefined;
    if (!this.#allowed.has(headers.get('origin') ?? '')) return undefined;
    return respond(null, {
      status: 204,
      headers: {
        'Access-Control-Allow-Methods': METHODS,
        'Access-Control-Allow-Headers': REQUEST_HEADERS,
        'Access-Control-Max-Age': PREFLIGHT_SECONDS,
      },
    });
  }

  /** What every response carries, so that pages of allowed origins, and no others, get to read it. */
  responseHeaders({ headers }: Request): Readonly<Record<string, string>> {
    if (this.#allowed.size === 0) return NO_HEADERS;
    const origin = headers.get('origin') ?? '';
    if (!this.#allowed.has(origin)) return VARY;
    return { ...VARY, 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': RESPONSE_HEADERS };
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = {};
/** A cache must not give one origin's response to another one. */
const VARY: Readonly<Record<string, string>> = { Vary: 'Origin' };
