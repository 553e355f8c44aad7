import { BlockList, isIP } from 'node:net';

/** As the configuration has it. */
interface AddressRange {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** What a name or an address with an optional port may consist of: anything else could end up in a Location. */
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,253}[a-zA-Z0-9])?|\[[\da-fA-F:.]{2,45}\])(?::\d{1,5})?$/;
/** Proxies on the way that are looked at; whoever sends more is not believed. */
const MAX_HOPS = 32;

/**
 * What proxies say of a request's origin: X-Forwarded-Proto, -Host and -For, and those only from peers that the operator named.
 * RFC 7239's Forwarded is not read: most proxies pass on what the client wrote there.
 */
export class Proxies {
  readonly #trusted: BlockList | undefined;

  /** @param ranges empty: nobody is believed, and no header looked at */
  constructor(ranges: readonly AddressRange[]) {
    if (ranges.length === 0) return;
    this.#trusted = new BlockList();
    for (const { address, prefix, family } of ranges) this.#trusted.addSubnet(address, prefix, family);
  }

  /**
   * Scheme and host by which the client reached the proxy, without a slash at the end; empty when nobody trusted says so, or
   * says something odd: a relative Location is right in any case.
   * @param peer address at the other end of the connection
   */
  origin(peer: string | undefined, headers: Headers): string {
    if (!this.#trusts(peer)) return '';
    const proto = headers.get('x-forwarded-proto')?.toLowerCase();
    const forwardedHost = headers.get('x-forwarded-host');
    if (proto === undefined && forwardedHost === null) return '';
    const scheme = proto ?? 'http';
    // A proxy that keeps the Host header has no need to send another one. A list is refused: who wrote which is unknown.
    const host = forwardedHost ?? headers.get('host') ?? '';
    if ((scheme !== 'http' && scheme !== 'https') || !HOST.test(host)) return '';
    const origin = `${scheme}://${host}`;
    return URL.canParse(origin) ? origin : '';
  }

  /** The address of the client: the last one in X-Forwarded-For that is no trusted proxy, as far as the entries are addresses. */
  client(peer: string | undefined, headers: Headers): string | undefined {
    if (!this.#trusts(peer)) return peer;
    const hops = headers.get('x-forwarded-for')?.split(',', MAX_HOPS + 1) ?? [];
    if (hops.length > MAX_HOPS) return peer;
    let nearest = peer;
    for (const hop of hops.reverse()) {
      const address = addressIn(hop);
      if (address === undefined) return nearest;
      nearest = address;
      if (!this.#trusts(address)) return address;
    }
    return nearest;
  }

  #trusts(address: string | undefined): boolean {
    if (this.#trusted === undefined || address === undefined) return false;
    return this.#trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Some proxies add the port. */
function addressIn(hop: string): string | undefined {
  const [, bracketed, plain] = /^\s*(?:\[([\da-fA-F:.]+)\](?::\d+)?|([\d.]+)(?::\d+)?)\s*$/.exec(hop) ?? [];
  const address = bracketed ?? plain ?? hop.trim();
  // A zone ("fe80::1%eth0") may have any character, and means nothing on another machine.
  return isIP(address) === 0 || address.includes('%') ? undefined : address;
}
