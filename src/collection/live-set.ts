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
const DEFAULT_ROOM = 16 * 1024 * 1024;
const FIRST_ROOM = 64 * 1024;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

const SHELF_OF: ReadonlyMap<string, number> = new Map(SHELVES.map((name, index) => [name, index]));

/**
 * What all logs of a store say of incarnations: linked, or when they were unlinked last. Filled in any order, then asked shelf by
 * shelf in the order of a listing of data/: whatever the store's size, memory holds some megabytes and one shelf of 1,024.
 */
export class LiveSet {
  readonly #openSpill: () => Promise<Spill>;
  readonly #room: number;
  #records = new Uint8Array(FIRST_ROOM);
  #view = new DataView(this.#records.buffer);
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

  /** @param until LINKED, or when it was unlinked (milliseconds) */
  async add(inc: Incarnation, until: number): Promise<void> {
    // Several logs are added at once: while one makes room all wait, or what they add would be lost when it is done.
    while (this.#used + RECORD_BYTES > this.#records.length) {
      this.#making ??= this.#makeRoom().finally(() => {
        this.#making = undefined;
      });
      await this.#making;
    }
    ENCODER.encodeInto(inc, this.#records.subarray(this.#used));
    this.#view.setFloat64(this.#used + NAME_BYTES, until);
    this.#used += RECORD_BYTES;
  }

  /** To be called once, when everything was added. */
  async seal(): Promise<void> {
    if (this.#spill !== undefined) await this.#spillAll();
    else this.#starts = this.#sort();
  }

  /** What is known of the incarnations of one shelf: LINKED, or the last time one of them was unlinked. */
  async shelf(name: string): Promise<ReadonlyMap<string, number>> {
    const shelf = shelfOf(name);
    const records = this.#spill === undefined ? this.#inMemory(shelf) : await this.#spill.read(shelf);
    const known = new Map<string, number>();
    const view = new DataView(records.buffer, records.byteOffset, records.length);
    for (let at = 0; at < records.length; at += RECORD_BYTES) {
      const inc = DECODER.decode(records.subarray(at, at + NAME_BYTES));
      known.set(inc, Math.max(known.get(inc) ?? 0, view.getFloat64(at + NAME_BYTES)));
    }
    return known;
  }

  async close(): Promise<void> {
    await this.#spill?.close();
  }

  #inMemory(shelf: number): Uint8Array {
    if (this.#starts === undefined) throw new Error('the set is asked before it is complete');
    return this.#records.subarray(this.#starts[shelf], this.#starts[shelf + 1]);
  }

  async #makeRoom(): Promise<void> {
    if (this.#records.length < this.#room) {
      const larger = new Uint8Array(Math.min(this.#room, this.#records.length * 2));
      larger.set(this.#records);
      this.#keep(larger);
    } else {
      await this.#spillAll();
    }
  }

  async #spillAll(): Promise<void> {
    this.#spill ??= await this.#openSpill();
    const starts = this.#sort();
    for (let shelf = 0; shelf < SHELVES.length; shelf++) {
      const records = this.#records.subarray(starts[shelf], starts[shelf + 1]);
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
      const at = record * RECORD_BYTES;
      const shelf = shelfOf(DECODER.decode(this.#records.subarray(at + NAME_BYTES - 2, at + NAME_BYTES)));
      shelves[record] = shelf;
      starts[shelf + 1] = (starts[shelf + 1] ?? 0) + RECORD_BYTES;
    }
    for (let shelf = 0; shelf < SHELVES.length; shelf++) {
      starts[shelf + 1] = (starts[shelf + 1] ?? 0) + (starts[shelf] ?? 0);
    }
    const next = starts.slice();
    const sorted = new Uint8Array(this.#records.length);
    for (let record = 0; record < count; record++) {
      const shelf = shelves[record] ?? 0;
      const at = record * RECORD_BYTES;
      sorted.set(this.#records.subarray(at, at + RECORD_BYTES), next[shelf]);
      next[shelf] = (next[shelf] ?? 0) + RECORD_BYTES;
    }
    this.#keep(sorted);
    return starts;
  }

  #keep(records: Uint8Array<ArrayBuffer>): void {
    this.#records = records;
    this.#view = new DataView(records.buffer);
  }
}

function shelfOf(name: string): number {
  const shelf = SHELF_OF.get(name);
  if (shelf === undefined) throw new Error(`there is no shelf ${name}`);
  return shelf;
}

/** Where an incarnation lies in `data/`. */
export function shelfNameOf(inc: Incarnation): string {
  return inc.slice(-2);
}
