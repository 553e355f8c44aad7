const FIRST_CAPACITY = 1024;
/** The set grows beyond this, because look-ups get slow. */
const MAX_LOAD = 0.7;
/** Marks a free place. */
const FREE = 0n;

/**
 * A set of strings that keeps 64 bits of each, in 12 to 23 bytes, so that those of a whole store fit in memory. Among ten million
 * strings the probability of a collision is 1 in 370,000.
 */
export class FingerprintSet {
  #places = new BigUint64Array(FIRST_CAPACITY);
  #size = 0;

  /** @returns whether it was not there yet */
  add(text: string): boolean {
    if (this.#size >= this.#places.length * MAX_LOAD) this.#grow();
    const added = insert(this.#places, fingerprint(text));
    if (added) this.#size++;
    return added;
  }

  has(text: string): boolean {
    const sought = fingerprint(text);
    return this.#places[placeOf(this.#places, sought)] === sought;
  }

  #grow(): void {
    const larger = new BigUint64Array(this.#places.length * 2);
    for (const each of this.#places) if (each !== FREE) insert(larger, each);
    this.#places = larger;
  }
}

function fingerprint(text: string): bigint {
  const hash = Bun.hash.wyhash(text);
  return hash === FREE ? 1n : hash;
}

function insert(places: BigUint64Array, value: bigint): boolean {
  const place = placeOf(places, value);
  if (places[place] === value) return false;
  places[place] = value;
  return true;
}

/** The index of the value, or of the free place where it belongs. There always is a free one. */
function placeOf(places: BigUint64Array, value: bigint): number {
  const mask = places.length - 1;
  let place = Number(value & BigInt(mask));
  while (places[place] !== FREE && places[place] !== value) place = (place + 1) & mask;
  return place;
}
