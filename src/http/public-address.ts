import { isHost, type Proxies } from './forwarded.ts';

export interface PublicAddressSettings {
  /** PUBLIC_URL without a trailing slash; empty if it is not set. */
  readonly url: string;
  /** PUBLIC_HOSTS in lower case; empty if it is not set. */
  readonly hosts: readonly string[];
  readonly proxies: Proxies;
  /** The scheme that this server speaks. */
  readonly scheme: 'http' | 'https';
}

type Named = Pick<Request, 'headers'>;

/**
 * The scheme and host by which clients reach this registry. A client can send any Host header, and URLs made from it may be cached or
 * followed. So a host is trusted only if PUBLIC_HOSTS contains it, or if PUBLIC_HOSTS is not set and the host is well-formed.
 */
export class PublicAddress {
  readonly #settings: PublicAddressSettings;

  constructor(settings: PublicAddressSettings) {
    this.#settings = settings;
  }

  /**
   * The beginning of Location headers, without a trailing slash; empty for relative ones, which are always right.
   * @param peer address at the other end of the connection
   */
  ofLocations(peer: string | undefined, { headers }: Named): string {
    const { url, proxies } = this.#settings;
    if (url !== '') return url;
    const origin = proxies.origin(peer, headers);
    return origin === '' || this.#isPublic(hostOf(origin)) ? origin : '';
  }

  /** The beginning of absolute URLs: scheme, host and path; undefined if there is no trusted host. */
  absolute(peer: string | undefined, request: Named): string | undefined {
    const { url, hosts, proxies, scheme: own } = this.#settings;
    if (url !== '') return url;
    const origin = proxies.origin(peer, request.headers);
    const scheme = origin === '' ? own : origin.slice(0, origin.indexOf('://'));
    const named = origin === '' ? (request.headers.get('host') ?? '') : hostOf(origin);
    const host = isHost(named) && this.#isPublic(named) ? named : hosts[0];
    return host === undefined ? undefined : `${scheme}://${host}`;
  }

  /** Whether a token may have this host as its audience. */
  isService(service: string): boolean {
    const { url } = this.#settings;
    return url === '' ? isHost(service) && this.#isPublic(service) : service === hostOf(url);
  }

  /**
   * Where a client of plain HTTP is redirected to, without a trailing slash; undefined if there is no trusted host.
   * @param port this server's TLS port
   */
  secure({ headers }: Named, port: number): string | undefined {
    const { url, hosts } = this.#settings;
    if (url.startsWith('https://')) return url;
    const requested = headers.get('host')?.toLowerCase() ?? '';
    const name = isHost(requested) ? nameIn(requested) : undefined;
    // The request's host has the plain HTTP port. PUBLIC_HOSTS has the port of TLS clients.
    const known = hosts.find((each) => nameIn(each) === name) ?? hosts[0];
    if (known !== undefined) return `https://${known}`;
    if (name === undefined) return undefined;
    return port === HTTPS_PORT ? `https://${name}` : `https://${name}:${port}`;
  }

  #isPublic(host: string): boolean {
    const { hosts } = this.#settings;
    return hosts.length === 0 || hosts.includes(host.toLowerCase());
  }
}

const HTTPS_PORT = 443;

/** A host without its port. */
function nameIn(host: string): string {
  return host.replace(/:\d+$/, '');
}

/** The host of a URL, with its port. */
export function hostOf(url: string): string {
  const rest = url.slice(url.indexOf('://') + 3);
  const slash = rest.indexOf('/');
  return slash < 0 ? rest : rest.slice(0, slash);
}
