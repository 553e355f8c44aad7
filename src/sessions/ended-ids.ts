import { randomFillSync } from 'node:crypto';
import type { UploadId } from '../oci/names.ts';

// Layout, in 32-bit words: the seed, then for each set the number of its additions, then the sets. An entry has two words: both halves of
// the hash of an id. The second is 0 only in an unused entry.
const SEED_WORDS = 2;
const SETS = 16_384;
const WAYS = 16;
const ENTRY_WORDS = 2;
const FIRST_COUNT = SEED_WORDS;
const FIRST_SET = FIRST_COUNT + SETS;
const WORDS = FIRST_SET + SETS * WAYS * ENTRY_WORDS;

/**
 * The ids of the sessions that ended last, in memory that the threads of a process share. A set forgets the oldest of its sixteen ids:
 * of the 65,536 sessions that ended last, about one in a million is forgotten. No lock is taken.
 */
export class EndedIds {
  readonly #words: Int32Array;
  readonly #seed: bigint;

  /** @param memory from `allocate`, the same in all threads */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#seed = new BigUint64Array(memory, 0, 1)[0] ?? 0n;
  }

  static allocate(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
    // A client cannot choose an id whose hash is that of another one.
    randomFillSync(new Uint8Array(memory, 0, SEED_WORDS * Int32Array.BYTES_PER_ELEMENT));
    return memory;
  }

  add(id: UploadId): void {
    const { set, low, high } = this.#placeOf(id);
    const way = Atomics.add(this.#words, FIRST_COUNT + set, 1) & (WAYS - 1);
    const at = entryAt(set, way);
    // Unused meanwhile, so that no other thread reads halves of two ids.
    Atomics.store(this.#words, at + 1, 0);
    Atomics.store(this.#words, at, low);
    Atomics.store(this.#words, at + 1, high);
  }

  has(id: UploadId): boolean {
    const { set, low, high } = this.#placeOf(id);
    for (let way = 0; way < WAYS; way++) {
      const at = entryAt(set, way);
      if (Atomics.load(this.#words, at + 1) === high && Atomics.load(this.#words, at) === low) return true;
    }
    return false;
  }

  #placeOf(id: UploadId): { readonly set: number; readonly low: number; readonly high: number } {
    const hash = Bun.hash.xxHash64(id, this.#seed);
    const low = Number(BigInt.asIntN(32, hash));
    const high = Number(BigInt.asIntN(32, hash >> 32n));
    return { set: low & (SETS - 1), low, high: high === 0 ? 1 : high };
  }
}

function entryAt(set: number, way: number): number {
  return FIRST_SET + (set * WAYS + way) * ENTRY_WORDS;
}
