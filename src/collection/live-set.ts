import type { Incarnation } from '../oci/names.ts';
import { SHELVES } from '../storage/paths.ts';

/** Room for records on disk, one heap a shelf. */
export interface Spill {
  append(shelf: number, records: Uint8Array): Promise<void>;
  /** All records of a shelf. */
  read(shelf: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Of an incarnation that some log links. */
export const LINKED = Number.POSITIVE_INFINITY;

const NAME_BYTES = 26;
const RECORD_BYTES = NAME_BYTES + 8;
/** Records that are kept in memory before they go to disk. */
const DEFAULT_ROOM = 8 * 1024 * 1024;
const FIRST_ROOM = 64 * 1024;
/** By the two characters of its name, each in seven bits; NO_SHELF for those that are none. */
const SHELF_OF = new Uint16Array(1 << 14);
const NO_SHELF = 0xffff;
SHELF_OF.fill(NO_SHELF);
for (const [index, name] of SHELVES.entries()) SHELF_OF[placeOf(name.charCodeAt(0), name.charCodeAt(1))] = index;

/**
 * What all logs of a store say of incarnations: linked, or when they were unlinked last. Filled in any order, then asked shelf by
 * shelf in the order of a listing of data/: whatever the store's size, memory holds some megabytes and one shelf of 1,024.
 */
export class LiveSet {
  readonly #openSpill: () => Promise<Spill>;
  readonly #room: number;
  #records: Buffer = Buffer.alloc(FIRST_ROOM);
  /** The records are put in order there, and the two change places: a new one each time would be garbage of megabytes. */
  #spare: Buffer | undefined;
  #used = 0;
  #spill: Spill | undefined;
  #making: Promise<void> | undefined;
  /** Where each shelf's records begin, once all are in order. */
  #starts: Uint32Array | undefined;

  /** @param room bytes of records in memory */
  constructor(openSpill: () => Promise<Spill>, room = DEFAULT_ROOM) {
    this.#openSpill = openSpill;
    this.#room = Math.max(FIRST_ROOM, room);
  }

  /**
   * @param until LINKED, or when it was unlinked (milliseconds)
   * @returns undefined: it is done. Most often it is, and there are millions of them.
   */
  add(inc: Incarnation, until: number): Promise<void> | undefined {
    if (this.#used + RECORD_BYTES > this.#records.length) return this.#addLater(inc, until);
    this.#records.write(inc, this.#used, NAME_BYTES, 'latin1');
    this.#records.writeDoubleBE(until, this.#used + NAME_BYTES);
    this.#used += RECORD_BYTES;
    return undefined;
  }

  /** Several logs are added at once: while one makes room all wait, or what they add would be lost when it is done. */
  async #addLater(inc: Incarnation, until: number): Promise<void> {
    this.#making ??= this.#makeRoom().finally(() => {
      this.#making = undefined;
    });
    await this.#making;
    await this.add(inc, until);
  }

  /** To be called once, when everything was added. */
  async seal(): Promise<void> {
    if (this.#spill === undefined) {
      this.#starts = this.#sort();
    } else {
      await this.#spillAll();
      this.#records = Buffer.alloc(FIRST_ROOM);
    }
    this.#spare = undefined;
  }

  /** What is known of the incarnations of one shelf: LINKED, or the last time one of them was unlinked. */
  async shelf(name: string): Promise<ReadonlyMap<string, number>> {
    const shelf = shelfOf(name);
    const records = this.#spill === undefined ? this.#inMemory(shelf) : await this.#spill.read(shelf);
    const known = new Map<string, number>();
    const view = Buffer.from(records.buffer, records.byteOffset, records.length);
    for (let at = 0; at < records.length; at += RECORD_BYTES) {
      const inc = view.toString('latin1', at, at + NAME_BYTES);
      known.set(inc, Math.max(known.get(inc) ?? 0, view.readDoubleBE(at + NAME_BYTES)));
    }
    return known;
  }

  async close(): Promise<void> {
    await this.#spill?.close();
  }

  #inMemory(shelf: number): Uint8Array {
    if (this.#starts === undefined) throw new Error('the set is asked before it is complete');
    return this.#recordsOf(shelf, this.#starts);
  }

  /** No Buffer: its `slice` is no copy. */
  #recordsOf(shelf: number, starts: Uint32Array): Uint8Array {
    const [from = 0, to = 0] = [starts[shelf], starts[shelf + 1]];
    return new Uint8Array(this.#records.buffer, this.#records.byteOffset + from, to - from);
  }

  async #makeRoom(): Promise<void> {
    if (this.#records.length < this.#room) {
      const larger = Buffer.alloc(Math.min(this.#room, this.#records.length * 2));
      larger.set(this.#records);
      this.#records = larger;
    } else {
      await this.#spillAll();
    }
  }

  async #spillAll(): Promise<void> {
    this.#spill ??= await this.#openSpill();
    const starts = this.#sort();
    for (let shelf = 0; shelf < SHELVES.length; shelf++) {
      const records = this.#recordsOf(shelf, starts);
      if (records.length > 0) await this.#spill.append(shelf, records);
    }
    this.#used = 0;
  }

  /** Brings the records in the order of their shelves; where each one begins, and at the end where the last one ends. */
  #sort(): Uint32Array {
    const count = this.#used / RECORD_BYTES;
    const shelves = new Uint16Array(count);
    const starts = new Uint32Array(SHELVES.length + 1);
    for (let record = 0; record < count; record++) {
      const at = record * RECORD_BYTES + NAME_BYTES;
      const shelf = shelfAt(this.#records[at - 2] ?? 0, this.#records[at - 1] ?? 0);
      shelves[record] = shelf;
      starts[shelf + 1] = (starts[shelf + 1] ?? 0) + RECORD_BYTES;
    }
    for (let shelf = 0; shelf < SHELVES.length; shelf++) {
      starts[shelf + 1] = (starts[shelf + 1] ?? 0) + (starts[shelf] ?? 0);
    }
    const next = starts.slice();
    const sorted =
      this.#spare?.length === this.#records.length ? this.#spare : Buffer.allocUnsafeSlow(this.#records.length);
    for (let record = 0; record < count; record++) {
      const shelf = shelves[record] ?? 0;
      const to = next[shelf] ?? 0;
      this.#records.copy(sorted, to, record * RECORD_BYTES, (record + 1) * RECORD_BYTES);
      next[shelf] = to + RECORD_BYTES;
    }
    this.#spare = this.#records;
    this.#records = sorted;
    return starts;
  }
}

function placeOf(first: number, second: number): number {
  return (first << 7) | second;
}

function shelfOf(name: string): number {
  return shelfAt(name.charCodeAt(0), name.charCodeAt(1));
}

/** @param first and `second`: the codes of its two characters */
function shelfAt(first: number, second: number): number {
  const shelf = SHELF_OF[placeOf(first, second)] ?? NO_SHELF;
  if (shelf === NO_SHELF) throw new Error(`there is no shelf ${String.fromCharCode(first, second)}`);
  return shelf;
}

/** Where an incarnation lies in `data/`. */
export function shelfNameOf(inc: Incarnation): string {
  return inc.slice(-2);
}
