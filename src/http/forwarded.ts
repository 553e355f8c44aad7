import { BlockList, isIP } from 'node:net';

/** A block of addresses, as the configuration gives it. */
interface AddressRange {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** A host name or an address with an optional port. Anything else must not get into a Location. */
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,253}[a-zA-Z0-9])?|\[[\da-fA-F:.]{2,45}\])(?::\d{1,5})?$/;

/** Whether the text is a host name or an address, with an optional port. */
export function isHost(text: string): boolean {
  return HOST.test(text) && URL.canParse(`http://${text}`);
}

/** Entries of X-Forwarded-For that are read, from its end: what comes before, clients may have made up. */
const MAX_HOPS = 32;

/**
 * Reads X-Forwarded-Proto, -Host and -For, and only from peers that the operator trusts. RFC 7239's Forwarded is not read, because most
 * proxies pass it on as the client sent it.
 */
export class Proxies {
  readonly #trusted: BlockList | undefined;

  /** @param ranges trusted proxies; if empty, no header is read */
  constructor(ranges: readonly AddressRange[]) {
    if (ranges.length === 0) return;
    this.#trusted = new BlockList();
    for (const { address, prefix, family } of ranges) this.#trusted.addSubnet(address, prefix, family);
  }

  /**
   * Scheme and host by which the client reached the proxy, without a trailing slash. Empty if no trusted proxy sends them, or they are
   * malformed: then Locations are relative, which always works.
   * @param peer address at the other end of the connection
   */
  origin(peer: string | undefined, headers: Headers): string {
    if (!this.#trusts(peer)) return '';
    const proto = headers.get('x-forwarded-proto')?.toLowerCase();
    const forwardedHost = headers.get('x-forwarded-host');
    if (proto === undefined && forwardedHost === null) return '';
    const scheme = proto ?? 'http';
    // A proxy that keeps the Host header need not send X-Forwarded-Host. A list is rejected, as its entries may come from the client.
    const host = forwardedHost ?? headers.get('host') ?? '';
    return (scheme === 'http' || scheme === 'https') && isHost(host) ? `${scheme}://${host}` : '';
  }

  /** The client's address: the last one in X-Forwarded-For that is not a trusted proxy. Reading stops at an entry that is not an address. */
  client(peer: string | undefined, headers: Headers): string | undefined {
    if (!this.#trusts(peer)) return peer;
    const hops = headers.get('x-forwarded-for')?.split(',').slice(-MAX_HOPS) ?? [];
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

/** The address in an entry of X-Forwarded-For, to which some proxies add the port. */
function addressIn(hop: string): string | undefined {
  const [, bracketed, plain] = /^\s*(?:\[([\da-fA-F:.]+)\](?::\d+)?|([\d.]+)(?::\d+)?)\s*$/.exec(hop) ?? [];
  const address = bracketed ?? plain ?? hop.trim();
  // A zone ("fe80::1%eth0") may contain any character and has no meaning on another machine.
  return isIP(address) === 0 || address.includes('%') ? undefined : address;
}
