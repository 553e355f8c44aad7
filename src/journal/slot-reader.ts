import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { logBroken, readSlot, type Slot } from './log.ts';

/** Reads a log slot by slot without keeping it in memory. After the end of the log, `next` returns slots that are appended later. */
export class SlotReader {
  readonly #reader: StoreReader;
  readonly #repo: RepositoryName;
  #next: number;
  #last: Slot | undefined;

  /** @param from the first slot to read */
  constructor(reader: StoreReader, repo: RepositoryName, from = 1) {
    this.#reader = reader;
    this.#repo = repo;
    this.#next = from;
  }

  /**
   * @returns undefined until the next slot is written
   * @throws RegistryError `log-broken`
   */
  async next(): Promise<Slot | undefined> {
    const slot = await readSlot(this.#reader, this.#repo, this.#next);
    if (slot === undefined) return undefined;
    if (this.#last !== undefined && slot.batch.prev !== this.#last.hash) {
      throw logBroken(this.#repo, this.#next, 'it does not follow the slot before, one of the two was altered');
    }
    this.#last = slot;
    this.#next++;
    return slot;
  }
}
