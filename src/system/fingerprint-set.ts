const FIRST_CAPACITY = 1024;
/** Load factor beyond which the table grows, because look-ups get slow. */
const MAX_LOAD = 0.7;
/** Marks a free slot of the table. */
const FREE = 0n;

/**
 * A set of strings that keeps a 64-bit hash of each. An entry takes 12 to 23 bytes, so the entries of a whole store fit into memory.
 * Among ten million strings the probability of a collision is 1 in 370,000.
 */
export class FingerprintSet {
  #table = new BigUint64Array(FIRST_CAPACITY);
  #size = 0;

  /** @returns whether the text was new */
  add(text: string): boolean {
    if (this.#size >= this.#table.length * MAX_LOAD) this.#grow();
    const added = insert(this.#table, fingerprint(text));
    if (added) this.#size++;
    return added;
  }

  has(text: string): boolean {
    const hash = fingerprint(text);
    return this.#table[indexOf(this.#table, hash)] === hash;
  }

  #grow(): void {
    const larger = new BigUint64Array(this.#table.length * 2);
    for (const each of this.#table) if (each !== FREE) insert(larger, each);
    this.#table = larger;
  }
}

function fingerprint(text: string): bigint {
  const hash = Bun.hash.wyhash(text);
  return hash === FREE ? 1n : hash;
}

function insert(table: BigUint64Array, value: bigint): boolean {
  const index = indexOf(table, value);
  if (table[index] === value) return false;
  table[index] = value;
  return true;
}

/** The index of the value, or of the free slot for it. The table always has a free slot. */
function indexOf(table: BigUint64Array, value: bigint): number {
  const mask = table.length - 1;
  let index = Number(value & BigInt(mask));
  while (table[index] !== FREE && table[index] !== value) index = (index + 1) & mask;
  return index;
}
