import { LRUCache } from 'lru-cache';
import { logBroken, readSlot } from '../journal/log.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { type Change, changesOf } from './change.ts';

/** Estimated bytes of memory of the remembered changes. A crowd of readers wants the newest ones at once. */
const MEMORY = 16 * 1024 * 1024;
const SLOT_BYTES = 300;
const CHANGE_BYTES = 700;

/** The changes of slots that notes have named. Each slot is read once for all readers of this thread. */
export class SlotChanges {
  readonly #driver: StoreReader;
  readonly #known = new LRUCache<string, readonly Change[]>({
    maxSize: MEMORY,
    sizeCalculation: (changes) => SLOT_BYTES + changes.length * CHANGE_BYTES,
  });
  readonly #reading = new Map<string, Promise<readonly Change[]>>();

  constructor(driver: StoreReader) {
    this.#driver = driver;
  }

  /** @throws RegistryError `log-broken` if the slot is missing or cannot be used; errors of the store */
  of(repo: RepositoryName, seq: number): Promise<readonly Change[]> | readonly Change[] {
    const key = `${seq} ${repo}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const reading = this.#reading.get(key) ?? this.#read(key, repo, seq);
    this.#reading.set(key, reading);
    return reading;
  }

  async #read(key: string, repo: RepositoryName, seq: number): Promise<readonly Change[]> {
    try {
      const slot = await readSlot(this.#driver, repo, seq);
      if (slot === undefined) throw logBroken(repo, seq, 'it is missing, but the notes name it');
      const changes = changesOf(slot.batch);
      this.#known.set(key, changes);
      return changes;
    } finally {
      this.#reading.delete(key);
    }
  }
}
