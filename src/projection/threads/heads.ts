import type { EndTurn, Turns } from '../../journal/turns.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { ChangedNames } from './changed-names.ts';

/*
 * How the threads of one process keep their views current without messages (docs/decisions/0072):
 *
 * - A view remembers the count of its repository as it was before its last look for slots. A read that finds the same count answers
 *   from the view; otherwise it looks first.
 * - A writer announces a creation, creates the slot, applies and counts it, ends the announcement, and acknowledges.
 * - Once any client was shown a slot, no later answer may be older. So a thread that finds a slot while a creation is announced counts
 *   it too, before anything depends on it. If none is announced after the slot was found, its creator has counted it.
 * - An announcement ends when the view of the thread that made it has that slot, whichever thread created it. A creation that was
 *   given up stays announced, because its slot may still appear.
 */

declare const brand: unique symbol;
/** The value of a counter. Only whether it is still the same has a meaning. */
export type Count = bigint & { readonly [brand]: 'Count' };
type Place = number & { readonly [brand]: 'Place' };

/** Names share a place if their hashes are equal. Then a write to one of them costs the views of the other a look. */
const PLACES = 65_536;

/** Where each table begins, in elements of its array. */
const COUNTS = { slots: 0, existence: PLACES } as const;
const COUNTS_BYTES = 2 * PLACES * BigInt64Array.BYTES_PER_ELEMENT;
const WORDS = { announced: 0, turns: PLACES } as const;
const WORDS_BYTES = 2 * PLACES * Int32Array.BYTES_PER_ELEMENT;

/** States of a turn word. `PASSED`: it is the turn of the waiter that was just woken. */
const [FREE, TAKEN, PASSED] = [0, 1, 2];
/** A turn ends with a write to the disk. A thread that waits for longer writes without a turn. */
const MAX_TURN_WAIT_MS = 2_000;

/**
 * The table in shared memory that tells each thread whether others have written to a repository. Counters have 64 bits: they never
 * return to an earlier value, so an equal count means that nothing was counted in between.
 */
export class Heads {
  /** The repositories that were created or deleted. */
  readonly changed: ChangedNames;
  readonly #counts: BigInt64Array;
  readonly #words: Int32Array;

  /** @param memory from `Heads.allocate`, the same for all threads of the process */
  constructor(memory: SharedArrayBuffer) {
    this.#counts = new BigInt64Array(memory, 0, COUNTS_BYTES / BigInt64Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(memory, COUNTS_BYTES, WORDS_BYTES / Int32Array.BYTES_PER_ELEMENT);
    this.changed = new ChangedNames(memory, COUNTS_BYTES + WORDS_BYTES);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(COUNTS_BYTES + WORDS_BYTES + ChangedNames.BYTES);
  }

  of(repo: RepositoryName): Head {
    const { changed } = this;
    return new Head({ counts: this.#counts, words: this.#words, changed }, repo);
  }
}

interface Tables {
  readonly counts: BigInt64Array;
  readonly words: Int32Array;
  readonly changed: ChangedNames;
}

/** One repository's part of the table. */
export class Head implements Turns {
  readonly #counts: BigInt64Array;
  readonly #words: Int32Array;
  readonly #changed: ChangedNames;
  readonly #repo: RepositoryName;
  readonly #place: Place;

  /** Use `Heads.of`. */
  constructor({ counts, words, changed }: Tables, repo: RepositoryName) {
    this.#counts = counts;
    this.#words = words;
    this.#changed = changed;
    this.#repo = repo;
    this.#place = placeOf(repo);
  }

  /** How often slots of the repository were counted. */
  slots(): Count {
    return Atomics.load(this.#counts, COUNTS.slots + this.#place) as Count;
  }

  /**
   * Counts a slot that the caller's view has.
   * @param seen what the view remembers
   * @returns what to remember from now on: the new count, unless others have counted since `seen`
   */
  countSlot(seen: Count): Count {
    const before = Atomics.add(this.#counts, COUNTS.slots + this.#place, 1n);
    return before === seen ? ((before + 1n) as Count) : seen;
  }

  /** How often the repository was created or deleted. */
  existence(): Count {
    return Atomics.load(this.#counts, COUNTS.existence + this.#place) as Count;
  }

  /** Counts a slot that created or deleted the repository, also for the catalog. */
  countExistence(): void {
    Atomics.add(this.#counts, COUNTS.existence + this.#place, 1n);
    this.#changed.add(this.#repo);
  }

  /** Whether any thread is creating a slot, or has given up a creation whose slot may still appear. */
  get isAnnounced(): boolean {
    return Atomics.load(this.#words, WORDS.announced + this.#place) !== 0;
  }

  /** To be called before a slot is created. */
  announce(): void {
    Atomics.add(this.#words, WORDS.announced + this.#place, 1);
  }

  /** To be called once the slot is counted, whichever thread created it. */
  endAnnouncement(): void {
    Atomics.sub(this.#words, WORDS.announced + this.#place, 1);
  }

  take(): EndTurn | Promise<EndTurn> {
    return this.#tries(FREE) ? this.#endTurn : this.#waitForTurn();
  }

  /** Threads get their turns in the order in which they began to wait, so one with many commands does not hold up the others. */
  async #waitForTurn(): Promise<EndTurn> {
    const [words, index] = [this.#words, WORDS.turns + this.#place];
    const until = performance.now() + MAX_TURN_WAIT_MS;
    for (;;) {
      const state = Atomics.load(words, index);
      if (state === FREE) {
        if (this.#tries(FREE)) return this.#endTurn;
        continue;
      }
      const left = until - performance.now();
      if (left <= 0) return goOn;
      const waiting = Atomics.waitAsync(words, index, state, left);
      // Otherwise the word changed before the wait began, or it was freed and another thread may have it by now.
      if (waiting.async && (await waiting.value) === 'ok' && this.#tries(PASSED)) return this.#endTurn;
    }
  }

  #tries(state: number): boolean {
    return Atomics.compareExchange(this.#words, WORDS.turns + this.#place, state, TAKEN) === state;
  }

  readonly #endTurn: EndTurn = () => {
    const [words, index] = [this.#words, WORDS.turns + this.#place];
    Atomics.store(words, index, PASSED);
    if (Atomics.notify(words, index, 1) > 0) return;
    // A thread that began to wait in the meantime must be woken, because nobody else will end a turn.
    if (Atomics.compareExchange(words, index, PASSED, FREE) === PASSED) Atomics.notify(words, index, 1);
  };
}

/** For a writer that waited too long and goes on without a turn: it has none to end. */
function goOn(): void {}

function placeOf(repo: RepositoryName): Place {
  return (Bun.hash.xxHash32(repo) % PLACES) as Place;
}
