import { randomFillSync } from 'node:crypto';

/** What is in progress under one key. */
export interface InProgress {
  requests: number;
  /** The requests among them that send bytes of blobs. */
  uploads: number;
  /** Bytes of these uploads. */
  bytes: number;
}

// Layout, in 32-bit words: first a header, with words that many threads write in cache lines of their own, then the sets. A set is a
// lock and WAYS records.
const SIZE_WORD = 16;
const SECRET_WORD = 32;
const SECRET_WORDS = 8;
const HEADER_WORDS = 64;
const WAYS = 7;
const RECORD_WORDS = 8;
const SET_WORDS = (WAYS + 1) * RECORD_WORDS;
/** Offsets in a record. The first words are its fingerprint; the first of all is 0 only in an unused record. */
const FINGERPRINT_WORDS = 3;
const REQUESTS = 3;
const UPLOADS = 4;
/** A double. */
const BYTES = 6;

const MIN_SETS = 64;
const MAX_SETS = 65_536;

const FREE = 0;
const HELD = 1;
/** Held, and other threads wait for it. */
const CONTENDED = 2;
const MAX_SPINS = 200;
/** A thread holds a lock for less than a microsecond, and for longer only while its garbage is collected or it gets no processor. */
const MAX_LOCK_WAIT_MS = 5_000;

const NO_PLACE = Symbol();

/** Computed fingerprints that a thread keeps, because the same few keys come again and again. A full table is emptied. */
const MAX_FINGERPRINTS = 8_192;

/**
 * Counts by key, in memory that the threads of a process share. Keys are hashed with a secret of the process, so a client cannot choose
 * a key that shares the counts of another one, or that fills the places of others. Keys are told apart by 96 bits of the hash.
 *
 * The table does not grow. If a key finds no place, which takes seven other keys in its set, each thread counts it for itself.
 */
export class SharedTable {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #mask: number;
  /** HMAC with the secret, before any text. Copying it costs less than creating one. */
  readonly #hmac: Bun.CryptoHasher;
  /** The set of a key, and its fingerprint. */
  readonly #known = new Map<string, Int32Array>();
  /** Keys that this thread counts for itself. */
  readonly #here = new Map<string, InProgress>();
  /** Reused, because a lock must not be held while memory is allocated: that may collect garbage. */
  readonly #record: InProgress = { requests: 0, uploads: 0, bytes: 0 };

  /** @param keys how many keys may have counts at the same time; with more, some are counted by each thread for itself */
  static allocate(keys: number): SharedArrayBuffer {
    let sets = MIN_SETS;
    // Two keys in a set on average: then more than seven are rare.
    while (sets * 2 < keys && sets < MAX_SETS) sets *= 2;
    const memory = new SharedArrayBuffer((HEADER_WORDS + sets * SET_WORDS) * Int32Array.BYTES_PER_ELEMENT);
    randomFillSync(secretOf(memory));
    return memory;
  }

  /** @param memory from `allocate`, the same in all threads */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#mask = (this.#words.length - HEADER_WORDS) / SET_WORDS - 1;
    // Copied, because the hasher takes no shared memory.
    this.#hmac = new Bun.CryptoHasher('sha256', secretOf(memory).slice());
  }

  /** Number of keys with counts. */
  get size(): number {
    return Atomics.load(this.#words, SIZE_WORD) + this.#here.size;
  }

  /** The requests in progress under a key. It takes no lock. */
  requests(key: string): number {
    const here = this.#here.size === 0 ? 0 : (this.#here.get(key)?.requests ?? 0);
    const print = this.#fingerprintOf(key);
    const set = this.#setOf(print);
    for (let at = set + RECORD_WORDS; at < set + SET_WORDS; at += RECORD_WORDS) {
      if (!this.#is(at, print)) continue;
      const requests = Atomics.load(this.#words, at + REQUESTS);
      // If the record went to another key in between, so did its count.
      if (this.#is(at, print)) return requests + here;
    }
    return here;
  }

  /**
   * Changes the counts of a key in one step: no other thread sees or changes them in between.
   * @param change may modify the record, which is valid only during the call; it must not use this table
   * @returns its result
   */
  update<T>(key: string, change: (record: InProgress) => T): T {
    const here = this.#here.size === 0 ? undefined : this.#here.get(key);
    if (here !== undefined) return this.#updateHere(key, here, change);
    const updated = this.#updateInSet(key, change);
    return updated === NO_PLACE ? this.#updateHere(key, { requests: 0, uploads: 0, bytes: 0 }, change) : updated;
  }

  /** As `update`, but never for this thread alone. @returns undefined if the key finds no place: then nothing is changed */
  updateShared<T extends NonNullable<unknown>>(key: string, change: (record: InProgress) => T): T | undefined {
    const updated = this.#updateInSet(key, change);
    return updated === NO_PLACE ? undefined : updated;
  }

  #updateInSet<T>(key: string, change: (record: InProgress) => T): T | typeof NO_PLACE {
    const print = this.#fingerprintOf(key);
    const set = this.#setOf(print);
    this.#lock(set);
    try {
      const at = this.#find(set, print);
      return at === undefined ? NO_PLACE : this.#updateAt(at, print, change);
    } finally {
      this.#unlock(set);
    }
  }

  #updateHere<T>(key: string, record: InProgress, change: (record: InProgress) => T): T {
    const result = change(record);
    if (isZero(record)) this.#here.delete(key);
    else this.#here.set(key, record);
    return result;
  }

  #updateAt<T>(at: number, print: Int32Array, change: (record: InProgress) => T): T {
    const words = this.#words;
    const record = this.#record;
    record.requests = Atomics.load(words, at + REQUESTS);
    record.uploads = words[at + UPLOADS] ?? 0;
    record.bytes = this.#doubles[(at + BYTES) / 2] ?? 0;
    const wasUsed = !isZero(record);
    const result = change(record);
    const isUsed = !isZero(record);
    // A record without a fingerprint has no requests, for readers that take no lock.
    if (isUsed && !wasUsed) this.#claim(at, print);
    Atomics.store(words, at + REQUESTS, record.requests);
    words[at + UPLOADS] = record.uploads;
    this.#doubles[(at + BYTES) / 2] = record.bytes;
    if (!isUsed && wasUsed) this.#clear(at);
    return result;
  }

  #claim(at: number, print: Int32Array): void {
    for (let word = 0; word < FINGERPRINT_WORDS; word++) Atomics.store(this.#words, at + word, print[word] ?? 0);
    Atomics.add(this.#words, SIZE_WORD, 1);
  }

  #clear(at: number): void {
    for (let word = 0; word < FINGERPRINT_WORDS; word++) Atomics.store(this.#words, at + word, 0);
    Atomics.sub(this.#words, SIZE_WORD, 1);
  }

  /** The record of a key, or else an unused one; undefined if there is neither. To be called with the lock. */
  #find(set: number, print: Int32Array): number | undefined {
    const words = this.#words;
    let unused: number | undefined;
    for (let at = set + RECORD_WORDS; at < set + SET_WORDS; at += RECORD_WORDS) {
      const first = words[at];
      if (first === 0) unused ??= at;
      else if (first === print[0] && words[at + 1] === print[1] && words[at + 2] === print[2]) return at;
    }
    return unused;
  }

  /** Whether a record has this fingerprint. Without the lock, it may get another one at any time. */
  #is(at: number, print: Int32Array): boolean {
    const words = this.#words;
    return (
      Atomics.load(words, at) === print[0] &&
      Atomics.load(words, at + 1) === print[1] &&
      Atomics.load(words, at + 2) === print[2]
    );
  }

  #setOf(print: Int32Array): number {
    return HEADER_WORDS + ((print[FINGERPRINT_WORDS] ?? 0) & this.#mask) * SET_WORDS;
  }

  /** The fingerprint of a key, and after it a word that chooses its set. */
  #fingerprintOf(key: string): Int32Array {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const bytes = this.#hmac.copy().update(key).digest();
    const print = new Int32Array(FINGERPRINT_WORDS + 1);
    for (let word = 0; word < print.length; word++) print[word] = bytes.readInt32LE(word * 4);
    // Zero would be no fingerprint.
    if (print[0] === 0) print[0] = 1;
    if (this.#known.size >= MAX_FINGERPRINTS) this.#known.clear();
    this.#known.set(key, print);
    return print;
  }

  #lock(word: number): void {
    const words = this.#words;
    for (let spins = 0; spins < MAX_SPINS; spins++) {
      if (Atomics.compareExchange(words, word, FREE, HELD) === FREE) return;
    }
    const deadline = performance.now() + MAX_LOCK_WAIT_MS;
    while (Atomics.exchange(words, word, CONTENDED) !== FREE) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`a thread has held the counts of a client for ${MAX_LOCK_WAIT_MS} ms`);
      Atomics.wait(words, word, CONTENDED, left);
    }
  }

  #unlock(word: number): void {
    if (Atomics.exchange(this.#words, word, FREE) === CONTENDED) Atomics.notify(this.#words, word, 1);
  }
}

function isZero({ requests, uploads, bytes }: InProgress): boolean {
  return requests === 0 && uploads === 0 && bytes === 0;
}

function secretOf(memory: SharedArrayBuffer): Uint8Array {
  const { BYTES_PER_ELEMENT } = Int32Array;
  return new Uint8Array(memory, SECRET_WORD * BYTES_PER_ELEMENT, SECRET_WORDS * BYTES_PER_ELEMENT);
}
