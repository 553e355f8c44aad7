// The manifests within all limits that are most expensive to parse.
import { MANIFEST_LIMITS, MAX_MANIFEST_BYTES } from '../../src/oci/manifest.ts';

const HEAD = '{"schemaVersion":2,"manifests":[],"a":';
/** The values in HEAD: the object and its members. */
const HEAD_VALUES = 4;
const BLANKS = [0x20, 0x09, 0x0a, 0x0d] as const;
/** Blanks before the end, which `vary` changes to get another digest. */
const TAIL_BLANKS = 6;
const TAIL = `${' '.repeat(TAIL_BLANKS)}}`;

function filled(inner: string): Uint8Array<ArrayBuffer> {
  const text = `${HEAD}${inner}`;
  const room = MAX_MANIFEST_BYTES - Buffer.byteLength(text) - TAIL.length;
  if (room < 0) throw new Error('longer than the limit of manifests');
  return new Uint8Array(Buffer.from(`${text}${' '.repeat(room)}${TAIL}`));
}

function list(count: number, of: (number: number) => string): string {
  return Array.from({ length: count }, (_, number) => of(number)).join(',');
}

/** Names and bodies; each body is 4 MiB. */
export function worstManifests(): readonly (readonly [name: string, body: Uint8Array<ArrayBuffer>])[] {
  const values = MANIFEST_LIMITS.values - HEAD_VALUES;
  const key = (number: number): string => `${number.toString(36)}${'k'.repeat(90)}`;
  return [
    ['distinct keys', filled(`{${list(values, (number) => `"${number.toString(36)}":0`)}}`)],
    ['long distinct keys', filled(`{${list(values, (number) => `"${key(number)}":"${key(number).slice(0, 20)}"`)}}`)],
    [
      'objects with a key each',
      filled(`[${list(Math.floor(values / 2), (number) => `{"${number.toString(36)}":0}`)}]`),
    ],
    ['long numbers', filled(`[${list(values, (number) => `0.${'1234567890'.repeat(11)}e-${number % 300}`)}]`)],
    ['one number', filled('9'.repeat(4_000_000))],
    ['escapes', filled(`"${'\\u0101'.repeat(MANIFEST_LIMITS.escapes)}${'é'.repeat(1_000_000)}"`)],
    ['blanks', filled('0')],
  ];
}

/** Changes only the digest. */
export function vary(body: Uint8Array, number: number): void {
  let left = number;
  for (let blank = 0; blank < TAIL_BLANKS; blank++) {
    body[body.length - 2 - blank] = BLANKS[left % BLANKS.length] ?? 0x20;
    left = Math.floor(left / BLANKS.length);
  }
}
