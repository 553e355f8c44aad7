import type { Digest } from '../oci/names.ts';
import { RequestLabels } from '../telemetry/request-labels.ts';
import { parseRoute, type Route } from './route.ts';

/** Addresses remembered; when there are more, all are forgotten, which costs no more than parsing them again. */
const MAX_ADDRESSES = 8_192;
/** A longer address is somebody's experiment. */
const MAX_LENGTH = 512;

/** What a method and a URL say, and how the log says it. */
export interface Address {
  readonly route: Route;
  /** The one that is in the address. */
  readonly digest: Digest | undefined;
  readonly labels: RequestLabels;
}

const gets = new Map<string, Address>();
const heads = new Map<string, Address>();

/**
 * parseRoute for the requests that come again and again: the same few addresses are pulled by everybody.
 * @param url as Request.url has it
 */
export function addressOf(method: string, url: string): Address {
  const known = method === 'GET' ? gets : method === 'HEAD' ? heads : undefined;
  if (known === undefined || url.length > MAX_LENGTH) return parseAddress(method, url);
  const found = known.get(url);
  if (found !== undefined) return found;
  const address = parseAddress(method, url);
  if (known.size >= MAX_ADDRESSES) known.clear();
  known.set(url, address);
  return address;
}

/** How the log names a request whose address means nothing. */
export function unknownLabels(method: string, url: string): RequestLabels {
  return new RequestLabels(method, targetOf(url), 'invalid', undefined, undefined);
}

/** The path and query of a request's URL, undecoded. Without a proper Host header Bun gives a bare path. */
export function targetOf(url: string): string {
  if (url.startsWith('/')) return url;
  const slash = url.indexOf('/', url.indexOf('://') + 3);
  return slash < 0 ? '/' : url.slice(slash);
}

function parseAddress(method: string, url: string): Address {
  const target = targetOf(url);
  const route = parseRoute(method, target);
  const reference = 'reference' in route ? route.reference : undefined;
  const digest = reference?.kind === 'digest' ? reference.digest : 'digest' in route ? route.digest : undefined;
  const repository = 'repo' in route ? route.repo : undefined;
  const tag = reference?.kind === 'tag' ? reference.tag : undefined;
  return { route, digest, labels: new RequestLabels(method, target, route.kind, repository, tag) };
}
