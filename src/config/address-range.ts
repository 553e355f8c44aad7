import { isIP } from 'node:net';

/** A block of addresses. A single address has the maximum prefix length. */
export interface AddressRange {
  readonly address: string;
  /** Length in bits: at most 32 for IPv4, 128 for IPv6. */
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Names for common groups of blocks. */
const BLOCKS: ReadonlyMap<string, readonly string[]> = new Map([
  ['loopback', ['127.0.0.0/8', '::1']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']],
]);

/** Describes the expected form in error messages. */
export const ADDRESS_LIST_FORMS =
  'a comma-separated list of addresses like 10.0.0.7, blocks like 10.0.0.0/8, loopback and private';

/** undefined if an item is invalid. An empty text is an empty list. */
export function parseAddressRanges(text: string): readonly AddressRange[] | undefined {
  if (text.trim() === '') return [];
  const ranges: AddressRange[] = [];
  for (const item of text.split(',')) {
    const word = item.trim();
    for (const block of BLOCKS.get(word) ?? [word]) {
      const range = parseRange(block);
      if (range === undefined) return undefined;
      ranges.push(range);
    }
  }
  return ranges;
}

function parseRange(text: string): AddressRange | undefined {
  const [, address = '', digits] = /^([\da-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  const prefix = digits === undefined ? bits : Number(digits);
  return prefix > bits ? undefined : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}
