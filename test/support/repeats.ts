// Repeated work, run when the test says so.
import type { Repeat } from '../../src/registry/renewed-lease.ts';

export class TestRepeats {
  readonly #works = new Set<() => Promise<void>>();

  readonly repeat: Repeat = (_, work) => {
    this.#works.add(work);
    return () => {
      this.#works.delete(work);
    };
  };

  /** Runs all of it once. */
  async fire(): Promise<void> {
    await Promise.all([...this.#works].map((work) => work()));
  }

  get size(): number {
    return this.#works.size;
  }
}
