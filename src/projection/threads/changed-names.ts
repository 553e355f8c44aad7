import { parseRepositoryName, type RepositoryName } from '../../oci/names.ts';

declare const brand: unique symbol;
/** How many changes there were. */
export type Changes = bigint & { readonly [brand]: 'Changes' };

/** Changes that a thread may be behind before it has to list all repositories. */
const ENTRIES = 1_024;
/** A length, and the name in ASCII. */
const ENTRY_BYTES = 256;
const [NUMBERS_BYTES, HASHES_BYTES] = [
  (1 + ENTRIES) * BigInt64Array.BYTES_PER_ELEMENT,
  ENTRIES * Int32Array.BYTES_PER_ELEMENT,
];

/** The number of an entry while its name is being written. */
const WRITING = -1n;

/**
 * The names of the repositories that were created or deleted last, in shared memory, so that the threads of a process need not list all
 * repositories after each change. Names may be lost, never invented: then a thread has to list them.
 */
export class ChangedNames {
  static readonly BYTES = NUMBERS_BYTES + HASHES_BYTES + ENTRIES * ENTRY_BYTES;
  /** How many changes there were. */
  readonly #count: BigInt64Array;
  /** Which change each entry is about, from 1. */
  readonly #numbers: BigInt64Array;
  readonly #hashes: Int32Array;
  readonly #names: Uint8Array;

  /** @param offset of BYTES bytes, a multiple of 8 */
  constructor(memory: SharedArrayBuffer, offset: number) {
    this.#count = new BigInt64Array(memory, offset, 1);
    this.#numbers = new BigInt64Array(memory, offset + BigInt64Array.BYTES_PER_ELEMENT, ENTRIES);
    this.#hashes = new Int32Array(memory, offset + NUMBERS_BYTES, ENTRIES);
    this.#names = new Uint8Array(memory, offset + NUMBERS_BYTES + HASHES_BYTES, ENTRIES * ENTRY_BYTES);
  }

  count(): Changes {
    return Atomics.load(this.#count, 0) as Changes;
  }

  add(repo: RepositoryName): void {
    const before = Atomics.add(this.#count, 0, 1n);
    const entry = Number(before % BigInt(ENTRIES));
    Atomics.store(this.#numbers, entry, WRITING);
    const start = entry * ENTRY_BYTES;
    this.#names[start] = repo.length;
    for (let index = 0; index < repo.length; index++) this.#names[start + 1 + index] = repo.charCodeAt(index);
    Atomics.store(this.#hashes, entry, hashOf(repo, before + 1n));
    Atomics.store(this.#numbers, entry, before + 1n);
  }

  /**
   * The repositories that were created or deleted since.
   * @returns undefined if there are too many, or one is being written
   */
  since(seen: Changes): { readonly count: Changes; readonly names: readonly RepositoryName[] } | undefined {
    const count = this.count();
    if (count - seen > BigInt(ENTRIES)) return undefined;
    const names: RepositoryName[] = [];
    for (let number = seen + 1n; number <= count; number++) {
      const name = this.#read(number);
      if (name === undefined) return undefined;
      names.push(name);
    }
    return { count, names };
  }

  #read(number: bigint): RepositoryName | undefined {
    const entry = Number((number - 1n) % BigInt(ENTRIES));
    if (Atomics.load(this.#numbers, entry) !== number) return undefined;
    const start = entry * ENTRY_BYTES + 1;
    const name = String.fromCharCode(...this.#names.slice(start, start + (this.#names[start - 1] ?? 0)));
    // A thread that was suspended while it wrote this entry may have written into the name of a later change, or written its own over it.
    const isOfChange = Atomics.load(this.#hashes, entry) === hashOf(name, number);
    return isOfChange && Atomics.load(this.#numbers, entry) === number ? parseRepositoryName(name) : undefined;
  }
}

/** Of a name and of the change that it belongs to. */
function hashOf(name: string, number: bigint): number {
  return Bun.hash.xxHash32(name, Number(BigInt.asUintN(32, number))) | 0;
}
