import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { RegistryError } from '../oci/errors.ts';

declare const brand: unique symbol;
/** An opaque place in the feed, at most MAX_CURSOR characters of `A-Z a-z 0-9 - _`. */
export type Cursor = string & { readonly [brand]: 'Cursor' };

/** Cursors are shorter; this is what docs/changes.md promises. */
export const MAX_CURSOR = 2_048;

/** A place between two changes. All counts are of what comes before it. */
export interface Position {
  /** Everything in the notes before this one comes before the place. */
  readonly note: number;
  /** Events of this note that are complete. */
  readonly entry: number;
  /** The last complete slot of the repository that the next event names; 0 at the beginning of that event. */
  readonly seq: number;
  /** Events of the slot after it that are complete. */
  readonly index: number;
}

/** What a cursor says. */
export interface Place {
  readonly position: Position;
  /** The first bytes of a slot's hash (`checkOf`): of `note` if the place is inside it, else of the note before. */
  readonly check: string;
  /** Leaves out what happened before this time (milliseconds) and was noted up to a note: the cursor was made for a time. */
  readonly skip: { readonly before: number; readonly upTo: number } | undefined;
}

export const BEGINNING: Position = { note: 1, entry: 0, seq: 0, index: 0 };

/** The place between a note and the next one. */
export function endOf(note: number): Position {
  return { note: note + 1, entry: 0, seq: 0, index: 0 };
}

export function isAtStart({ entry, seq, index }: Position): boolean {
  return entry === 0 && seq === 0 && index === 0;
}

const VERSION = 1;
/** Bytes of a slot's hash in a cursor. */
const CHECK_BYTES = 8;
const SEAL_BYTES = 12;
const PURPOSE = 'marina change cursor';

/** The first bytes of a slot's hash, as cursors have them. @param hash `sha256:<hex>`; NO_SLOT before note 1 */
export function checkOf(hash: string): string {
  const start = hash.indexOf(':') + 1;
  return hash.slice(start, start + 2 * CHECK_BYTES);
}

/**
 * Writes and reads cursors. A seal shows whether a text is a cursor of this store. It protects no secret: a cursor gives access to
 * nothing, because pages are filtered by what the caller may pull. A caller who knows the store's ULID can forge one, so all that it says is checked.
 */
export class CursorCodec {
  readonly #key: Buffer;

  /** @param store the store's ULID: a store with another one does not know its cursors, a replica does */
  constructor(store: string) {
    this.#key = Buffer.from(hkdfSync('sha256', store, '', PURPOSE, 32));
  }

  encode({ position, check, skip }: Place): Cursor {
    const numbers = [position.note, position.entry, position.seq, position.index];
    if (skip !== undefined) numbers.push(skip.before, skip.upTo);
    const bytes: number[] = [VERSION];
    for (const number of numbers) pushNumber(bytes, number);
    const content = Buffer.concat([Buffer.from(check, 'hex'), Buffer.from(bytes)]);
    return Buffer.concat([this.#seal(content), content]).toString('base64url') as Cursor;
  }

  /** @throws RegistryError `cursor-invalid` for a text that this store did not issue */
  decode(text: string): Place {
    const bytes = Buffer.from(text.length <= MAX_CURSOR ? text : '', 'base64url');
    // The decoder skips other characters, and the last bits of the last one where they are no part of a byte.
    const place = bytes.toString('base64url') === text ? this.#open(bytes) : undefined;
    if (place !== undefined) return place;
    throw new RegistryError(
      'cursor-invalid',
      'this is not a cursor of this registry: it was altered, or another registry issued it',
    );
  }

  #open(bytes: Buffer): Place | undefined {
    if (bytes.length <= SEAL_BYTES + CHECK_BYTES) return undefined;
    const content = bytes.subarray(SEAL_BYTES);
    if (!timingSafeEqual(this.#seal(content), bytes.subarray(0, SEAL_BYTES))) return undefined;
    const check = content.toString('hex', 0, CHECK_BYTES);
    const numbers = readNumbers(content.subarray(CHECK_BYTES));
    // Anyone who knows the store's ULID can seal any number, also one that is too large to be encoded again.
    if (!numbers.every(Number.isSafeInteger)) return undefined;
    const [version, note, entry, seq, index, before, upTo] = numbers;
    if (version !== VERSION || note === undefined || entry === undefined || seq === undefined || index === undefined)
      return undefined;
    const skip = before === undefined || upTo === undefined ? undefined : { before, upTo };
    return { position: { note, entry, seq, index }, check, skip };
  }

  #seal(content: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(content).digest().subarray(0, SEAL_BYTES);
  }
}

/** Seven bits a byte, the lowest first; the highest bit says that another byte follows. */
function pushNumber(bytes: number[], number: number): void {
  let left = number;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  bytes.push(left);
}

function readNumbers(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let [number, factor] = [0, 1];
  for (const byte of bytes) {
    number += (byte % 128) * factor;
    factor *= 128;
    if (byte >= 128) continue;
    numbers.push(number);
    [number, factor] = [0, 1];
  }
  return numbers;
}
