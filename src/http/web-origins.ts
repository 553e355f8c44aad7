import { RegistryError } from '../oci/errors.ts';
import { respond } from './response.ts';

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** Request headers that pages may send beyond the CORS-safelisted ones. A long `Accept` is not safelisted. */
const REQUEST_HEADERS = 'Accept, Authorization, Content-Range, Content-Type, If-Match, If-None-Match, If-Range, Range';
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
/** How long a browser may cache the response to a preflight request. */
const PREFLIGHT_SECONDS = '600';

/**
 * Decides what web pages may do. A browser sends requests on behalf of any page, even to a registry that only the browser can reach. With
 * DNS rebinding such requests look same-origin to the browser. Registry clients send neither `Origin` nor `Sec-Fetch-Site`; browsers send
 * at least one of them with every write, and a page cannot suppress it.
 *
 * Headers are looked at only where the answer depends on them: in Bun even `request.headers` takes time.
 */
export class WebOrigins {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed origins as browsers send them, such as `https://ui.example` or `http://localhost:8080` */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  /** @throws RegistryError `denied` for a write by a web page whose origin is not allowed */
  checkWrite(request: Request): void {
    const { method } = request;
    if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return;
    const { headers } = request;
    const origin = headers.get('origin');
    if (origin !== null && this.#allowed.has(origin)) return;
    // "none": initiated by the user, for example by typing the address.
    if (origin === null && (headers.get('sec-fetch-site') ?? 'none') === 'none') return;
    throw new RegistryError(
      'denied',
      'web pages may not write to this registry, unless CORS_ORIGINS names their origin',
    );
  }

  /** The response to a preflight request for an allowed origin; undefined for any other request. */
  preflight(request: Request): Response | undefined {
    if (request.method !== 'OPTIONS') return undefined;
    const { headers } = request;
    if (!headers.has('access-control-request-method')) return undefined;
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

  /** CORS headers of every response. Only pages of allowed origins can read it. */
  responseHeaders(request: Request): Readonly<Record<string, string>> {
    if (this.#allowed.size === 0) return NO_HEADERS;
    const origin = request.headers.get('origin') ?? '';
    if (!this.#allowed.has(origin)) return VARY;
    return { ...VARY, 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': RESPONSE_HEADERS };
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = {};
/** A cache must not serve one origin's response to another origin. */
const VARY: Readonly<Record<string, string>> = { Vary: 'Origin' };
