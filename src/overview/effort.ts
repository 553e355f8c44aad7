/** A row that a statement only compares inside SQLite costs about a tenth of one that it returns. */
const COMPARED = 0.1;

/**
 * How many rows one answer may still examine. Statements block their thread until they return, and a caller who sees little may make
 * them pass over any number of rows.
 */
export class Effort {
  #left: number;

  /** @param rows that are read before the answer is cut */
  constructor(rows: number) {
    this.#left = rows;
  }

  get isSpent(): boolean {
    return this.#left < 0;
  }

  /** @returns whether that many more rows may be read */
  read(rows = 1): boolean {
    this.#left -= rows;
    return !this.isSpent;
  }

  /** @returns whether that many more rows may be compared */
  compare(rows: number): boolean {
    return this.read(rows * COMPARED);
  }
}
