import type { Digest } from '../oci/names.ts';
import { mapMaybeAsync } from '../registry/maybe-async.ts';
import { RequestLabels } from '../telemetry/request-labels.ts';
import { LOGIN_WITH } from '../ui/addresses.ts';
import { requiredAccess } from './required-access.ts';
import type { RequiredAccess } from './requirement.ts';
import { parseRoute, type Route, TOKEN_PATH } from './route.ts';

/** Addresses cached for each method. A full cache is emptied: parsing the addresses again is cheap. */
const MAX_ADDRESSES = 8_192;
/** Longer URLs are not cached: real clients send none, and they would take too much memory. */
const MAX_LENGTH = 512;

/** A parsed method and URL, with the labels for the log. */
export interface Address {
  readonly route: Route;
  /** The digest in the URL, if it has one. */
  readonly digest: Digest | undefined;
  readonly labels: RequestLabels;
  readonly required: RequiredAccess | undefined;
}

const gets = new Map<string, Address>();
const heads = new Map<string, Address>();

/**
 * Parses a request's address. GET and HEAD are cached, as most pulls are of the same few addresses. A promise as in parseRoute.
 * @param url as in Request.url
 * @throws RegistryError like parseRoute
 */
export function addressOf(method: string, url: string): Address | Promise<Address> {
  const cache = cacheFor(method);
  if (cache === undefined || url.length > MAX_LENGTH) return parseAddress(method, url);
  const cached = cache.get(url);
  if (cached !== undefined) return cached;
  return parseAndCache(method, url, cache);
}

function parseAndCache(method: string, url: string, cache: Map<string, Address>): Address | Promise<Address> {
  return mapMaybeAsync(parseAddress(method, url), (address) => {
    if (cache.size >= MAX_ADDRESSES) cache.clear();
    cache.set(url, address);
    return address;
  });
}

function cacheFor(method: string): Map<string, Address> | undefined {
  if (method === 'GET') return gets;
  return method === 'HEAD' ? heads : undefined;
}

/** Log labels of a request whose address cannot be parsed. */
export function unknownLabels(method: string, url: string): RequestLabels {
  return new RequestLabels(method, shownTarget(url), 'invalid', undefined, undefined);
}

/** The target as the log shows it. A client may put a password into the query of the token endpoint; issuers put codes into theirs. */
export function shownTarget(url: string): string {
  const target = targetOf(url);
  const mark = target.startsWith(TOKEN_PATH) || target.startsWith(LOGIN_WITH) ? target.indexOf('?') : -1;
  return mark < 0 ? target : target.slice(0, mark);
}

/** The path and query of a request's URL, undecoded. Without a valid Host header Bun's URL is only a path. */
export function targetOf(url: string): string {
  if (url.startsWith('/')) return url;
  const slash = url.indexOf('/', url.indexOf('://') + 3);
  return slash < 0 ? '/' : url.slice(slash);
}

/** Whether a URL is one of the page. */
export function isPage(url: string): boolean {
  const target = targetOf(url);
  return target.startsWith('/ui/') || target === '/ui' || target.startsWith('/ui?');
}

function parseAddress(method: string, url: string): Address | Promise<Address> {
  return mapMaybeAsync(parseRoute(method, targetOf(url)), (route) => addressFor(route, method, url));
}

function addressFor(route: Route, method: string, url: string): Address {
  const of = route.kind === 'page' ? route.page : route;
  const reference = 'reference' in of ? of.reference : undefined;
  const own = 'digest' in of ? of.digest : undefined;
  const digest = reference?.kind === 'digest' ? reference.digest : own;
  const repository = 'repo' in of ? of.repo : undefined;
  const tag = reference?.kind === 'tag' ? reference.tag : undefined;
  const kind = route.kind === 'page' ? `page-${route.page.kind}` : route.kind;
  const labels = new RequestLabels(method, shownTarget(url), kind, repository, tag);
  return { route, digest, labels, required: requiredAccess(route) };
}
