import type { Incarnation } from '../../oci/names.ts';
import { type Listed, MAX_LISTED, type Roster, STAYS_MS } from './roster.ts';

/** A list in the memory of a process that has its store for itself. */
export class MemoryRoster<T> implements Roster<T> {
  readonly #now: () => number;
  /** The one heard last is the last. */
  readonly #listed = new Map<Incarnation, { readonly at: number; readonly about: T }>();

  /** @param now milliseconds, of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  async announce(id: Incarnation, about: T): Promise<void> {
    this.#listed.delete(id);
    this.#listed.set(id, { at: this.#now(), about });
    const [oldest] = this.#listed.keys();
    if (this.#listed.size > MAX_LISTED && oldest !== undefined) this.#listed.delete(oldest);
  }

  async leave(id: Incarnation): Promise<void> {
    this.#listed.delete(id);
  }

  async list(): Promise<readonly Listed<T>[]> {
    const now = this.#now();
    return Array.from(this.#listed, ([id, { at, about }]) => ({ id, silentFor: now - at, about }))
      .filter(({ silentFor }) => silentFor <= STAYS_MS)
      .reverse();
  }
}
