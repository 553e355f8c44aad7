import type { Incarnation } from '../oci/names.ts';
import { SHELVES } from '../storage/paths.ts';

/** Records on disk, in one file a shelf. */
export interface Spill {
  append(shelf: number, records: Uint8Array): Promise<void>;
  /** All records of a shelf. */
  read(shelf: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The value of an incarnation that some log links. */
export const LINKED = Number.POSITIVE_INFINITY;

const NAME_BYTES = 26;
const RECORD_BYTES = NAME_BYTES + 8;
/** Bytes of records held in memory before they are spilled. */
const DEFAULT_CAPACITY = 8 * 1024 * 1024;
const INITIAL_CAPACITY = 64 * 1024;
/** The index of a shelf by the two characters of its name, seven bits each; NO_SHELF for other characters. */
const SHELF_OF = new Uint16Array(1 << 14);
const NO_SHELF = 0xffff;
SHELF_OF.fill(NO_SHELF);
for (const [index, name] of SHELVES.entries()) SHELF_OF[placeOf(name.charCodeAt(0), name.charCodeAt(1))] = index;

/**
 * Every incarnation that the logs of a store know, with LINKED or the time of its last unlink. It is filled in any order and then
 * read shelf by shelf, in the order of a listing of data/. Whatever the size of the store, memory holds a few megabytes of records
 * and one of 1,024 shelves.
 */
export class LiveSet {
  readonly #openSpill: () => Promise<Spill>;
  readonly #capacity: number;
  #records: Buffer = Buffer.alloc(INITIAL_CAPACITY);
  /** The target of the next sort; the two buffers swap, since a new one each time would be megabytes of garbage. */
  #spare: Buffer | undefined;
  #used = 0;
  #spill: Spill | undefined;
  #growing: Promise<void> | undefined;
  /** Offset of each shelf's records, once they are sorted. */
  #starts: Uint32Array | undefined;

  /** @param capacity bytes of records in memory */
  constructor(openSpill: () => Promise<Spill>, capacity = DEFAULT_CAPACITY) {
    this.#openSpill = openSpill;
    this.#capacity = Math.max(INITIAL_CAPACITY, capacity);
  }

  /**
   * @param until LINKED, or when it was unlinked (milliseconds)
   * @returns undefined if it was added synchronously, as it usually is: awaiting a promise for each of millions would cost too much
   */
  add(inc: Incarnation, until: number): Promise<void> | undefined {
    if (this.#used + RECORD_BYTES > this.#records.length) return this.#addWithRoom(inc, until);
    this.#records.write(inc, this.#used, NAME_BYTES, 'latin1');
    this.#records.writeDoubleBE(until, this.#used + NAME_BYTES);
    this.#used += RECORD_BYTES;
    return undefined;
  }

  /** Logs are added concurrently, so all must wait while one makes room. Otherwise their records would be lost in the swap. */
  async #addWithRoom(inc: Incarnation, until: number): Promise<void> {
    this.#growing ??= this.#makeRoom().finally(() => {
      this.#growing = undefined;
    });
    await this.#growing;
    await this.add(inc, until);
  }

  /** Must be called once, after everything was added. */
  async seal(): Promise<void> {
    if (this.#spill === undefined) {
      this.#starts = this.#sort();
    } else {
      await this.#spillAll();
      this.#records = Buffer.alloc(INITIAL_CAPACITY);
    }
    this.#spare = undefined;
  }

  /** The incarnations of one shelf: LINKED, or when each was last unlinked. */
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
    if (this.#starts === undefined) throw new Error('the set was read before it was sealed');
    return this.#recordsOf(shelf, this.#starts);
  }

  /** Not a Buffer, whose `slice` does not copy. */
  #recordsOf(shelf: number, starts: Uint32Array): Uint8Array {
    const [from = 0, to = 0] = [starts[shelf], starts[shelf + 1]];
    return new Uint8Array(this.#records.buffer, this.#records.byteOffset + from, to - from);
  }

  async #makeRoom(): Promise<void> {
    if (this.#records.length < this.#capacity) {
      const larger = Buffer.alloc(Math.min(this.#capacity, this.#records.length * 2));
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

  /** Sorts the records by shelf. @returns the offset of each shelf, and as the last element the end of all records */
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

/** The folder of `data/` that holds an incarnation. */
export function shelfNameOf(inc: Incarnation): string {
  return inc.slice(-2);
}
