import type { StorageDriver } from '../../storage/driver.ts';
import { ENDED_LOGINS, endedLoginKey, expiryOfEndedLoginKey } from '../../storage/paths.ts';

interface Ended {
  readonly id: string;
  /** When the log-in would have expired, in seconds since 1970. */
  readonly expires: number;
}

/** The log-ins that ended before they expired. */
export interface EndedLogins {
  has(login: Ended): Promise<boolean>;
  /** Durable once the promise resolves. */
  add(login: Ended): Promise<void>;
}

/** Entries that one log-out removes, so that there are never many more than log-ins of the last hours. */
const MAX_REMOVED = 100;

/** Small objects in the store, so that all nodes and threads see them, also after a restart. */
export class StoredEndedLogins implements EndedLogins {
  readonly #driver: Pick<StorageDriver, 'head' | 'put' | 'list' | 'delete'>;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(driver: Pick<StorageDriver, 'head' | 'put' | 'list' | 'delete'>, now: () => number) {
    this.#driver = driver;
    this.#now = now;
  }

  async has({ id, expires }: Ended): Promise<boolean> {
    return (await this.#driver.head(endedLoginKey(expires, id))) !== undefined;
  }

  async add({ id, expires }: Ended): Promise<void> {
    await this.#driver.put(endedLoginKey(expires, id), new Uint8Array());
    await this.#removeExpired();
  }

  /** The keys are in the order in which the log-ins expire. */
  async #removeExpired(): Promise<void> {
    const expired: string[] = [];
    for await (const { key } of this.#driver.list(ENDED_LOGINS)) {
      const expiry = expiryOfEndedLoginKey(key);
      if (expiry === undefined || expiry * 1000 > this.#now() || expired.length === MAX_REMOVED) break;
      expired.push(key);
    }
    if (expired.length > 0) await this.#driver.delete(expired, { durable: false });
  }
}
