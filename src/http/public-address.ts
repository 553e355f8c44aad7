import { isHost, type Proxies } from './forwarded.ts';

export interface PublicAddressSettings {
  /** PUBLIC_URL, without a slash at the end; empty where it is not set. */
  readonly url: string;
  /** PUBLIC_HOSTS, in lower case; empty where it is not set. */
  readonly hosts: readonly string[];
  readonly proxies: Proxies;
  /** By which clients reach this server itself. */
  readonly scheme: 'http' | 'https';
}

type Named = Pick<Request, 'headers'>;

/**
 * By which scheme and host clients reach this registry. A client writes its Host header as it likes, and what it gets back may be
 * cached or followed: so the header is believed only where PUBLIC_HOSTS has it, or where nothing is set and it is well-formed.
 */
export class PublicAddress {
  readonly #settings: PublicAddressSettings;

  constructor(settings: PublicAddressSettings) {
    this.#settings = settings;
  }

  /**
   * What Locations begin with, without a slash at the end; empty: they are relative, which is right in any case.
   * @param peer address at the other end of the connection
   */
  ofLocations(peer: string | undefined, { headers }: Named): string {
    const { url, proxies } = this.#settings;
    if (url !== '') return url;
    const origin = proxies.origin(peer, headers);
    return origin === '' || this.#isPublic(hostOf(origin)) ? origin : '';
  }

  /** Scheme, host and path where an absolute URL is needed; undefined where no host can be believed. */
  absolute(peer: string | undefined, request: Named): string | undefined {
    const { url, hosts, proxies, scheme: own } = this.#settings;
    if (url !== '') return url;
    const origin = proxies.origin(peer, request.headers);
    const scheme = origin === '' ? own : origin.slice(0, origin.indexOf('://'));
    const named = origin === '' ? (request.headers.get('host') ?? '') : hostOf(origin);
    const host = isHost(named) && this.#isPublic(named) ? named : hosts[0];
    return host === undefined ? undefined : `${scheme}://${host}`;
  }

  /** Whether a token may say that it is for this host. */
  isService(service: string): boolean {
    const { url } = this.#settings;
    return url === '' ? isHost(service) && this.#isPublic(service) : service === hostOf(url);
  }

  /**
   * Where a client that came over plain HTTP should go, without a slash at the end; undefined if no host can be trusted.
   * @param port that this server speaks TLS on
   */
  secure({ headers }: Named, port: number): string | undefined {
    const { url, hosts } = this.#settings;
    if (url.startsWith('https://')) return url;
    const asked = headers.get('host')?.toLowerCase() ?? '';
    const name = isHost(asked) ? nameIn(asked) : undefined;
    // The host of the request has the port of plain HTTP. PUBLIC_HOSTS says which one the clients of TLS use.
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
