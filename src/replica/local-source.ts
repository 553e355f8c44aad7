import { forEachConcurrently } from '../collection/concurrently.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import { decodeList } from '../registry/condemned.ts';
import type { Durability, Key, StoredObject, StoreReader } from '../storage/driver.ts';
import {
  CATALOG,
  dataKey,
  EPOCHS,
  epochOfFinalKey,
  finalKey,
  markerKey,
  noteKey,
  repositoryOfMarker,
  robotSlotKey,
  slotKey,
} from '../storage/paths.ts';
import type { LocalSource } from './interface.ts';
import {
  type CollectionAnswer,
  type CollectionsAnswer,
  type IdentityAnswer,
  MAX_BYTES,
  MAX_SLOTS,
  MAX_SMALL_BYTES,
  type ObjectsAnswer,
  PROTOCOL_VERSION,
  type RepositoriesAnswer,
  type SlotsAnswer,
  type StoreLog,
  type StoreLogAnswer,
  type WantedSlots,
} from './protocol.ts';

const LOG_CONCURRENCY = 8;
const OBJECT_CONCURRENCY = 16;
/** Slots of one log that are read at once. */
const AHEAD = 16;
const MAX_NAMES = 1_000;
const MAX_EPOCHS = 1_000;
/** How often a waiting request looks for the next slot, in milliseconds: in memory, and in the store. */
const LOOK_EVERY_MS = { memory: 50, store: 1_000 } as const;

export interface LocalSourcePorts {
  readonly driver: StoreReader & Pick<Durability, 'confirm'>;
  /** As in IdentityAnswer. */
  readonly store: Incarnation;
  readonly secrets: Incarnation;
  /** As in IdentityAnswer; what this store is a replica of is known once that has answered. */
  readonly lineage: () => Promise<readonly Incarnation[]>;
  /** The newest note, if this process knows it; undefined if only the store does. */
  readonly newestNote: () => number | undefined;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves early when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

const STORE_LOG_KEYS: Readonly<Record<StoreLog, (seq: number) => Key>> = { notes: noteKey, robots: robotSlotKey };

/** Shows what this process's store has to replicas of it. */
export class StoreSource implements LocalSource {
  readonly #ports: LocalSourcePorts;

  constructor(ports: LocalSourcePorts) {
    this.#ports = ports;
  }

  async identity(): Promise<IdentityAnswer> {
    const { store, secrets, lineage } = this.#ports;
    return { version: PROTOCOL_VERSION, store, secrets, lineage: await lineage() };
  }

  async slots(wanted: readonly WantedSlots[], signal?: AbortSignal): Promise<SlotsAnswer> {
    const budget = { slots: MAX_SLOTS, bytes: MAX_BYTES };
    const found = new Map<RepositoryName, Read>();
    await forEachConcurrently(wanted, LOG_CONCURRENCY, async ({ repo, after }) => {
      signal?.throwIfAborted();
      found.set(repo, await this.#read((seq) => slotKey(repo, seq), after, budget));
    });
    return {
      logs: wanted.map(({ repo }) => {
        const { slots, more } = found.get(repo) ?? { slots: [], more: true };
        return { repository: repo, slots, more };
      }),
    };
  }

  async storeLog(log: StoreLog, after: number, wait: number, signal?: AbortSignal): Promise<StoreLogAnswer> {
    const { driver, newestNote, now, sleep } = this.#ports;
    const deadline = now() + wait;
    const keyOf = STORE_LOG_KEYS[log];
    while (signal?.aborted !== true && now() < deadline) {
      const newest = log === 'notes' ? newestNote() : undefined;
      const exists = newest === undefined ? (await driver.head(keyOf(after + 1))) !== undefined : newest > after;
      if (exists) break;
      const pause = newest === undefined ? LOOK_EVERY_MS.store : LOOK_EVERY_MS.memory;
      await sleep(Math.min(pause, deadline - now()), signal);
    }
    return await this.#read(keyOf, after, { slots: MAX_SLOTS, bytes: MAX_BYTES });
  }

  async repositories(after: RepositoryName | undefined, signal?: AbortSignal): Promise<RepositoriesAnswer> {
    const repositories: RepositoryName[] = [];
    for await (const { key } of this.#ports.driver.list(CATALOG, after === undefined ? undefined : markerKey(after))) {
      signal?.throwIfAborted();
      const repo = repositoryOfMarker(key);
      if (repo === undefined) continue;
      if (repositories.length === MAX_NAMES) return { repositories, more: true };
      repositories.push(repo);
    }
    return { repositories, more: false };
  }

  async objects(wanted: readonly Incarnation[], signal?: AbortSignal): Promise<ObjectsAnswer> {
    const { driver } = this.#ports;
    const found = new Map<Incarnation, ObjectsAnswer['objects'][number]>();
    let left = MAX_BYTES;
    await forEachConcurrently(wanted, OBJECT_CONCURRENCY, async (inc) => {
      signal?.throwIfAborted();
      const size = (await driver.head(dataKey(inc)))?.size;
      if (size === undefined) return;
      const isSent = size <= MAX_SMALL_BYTES && size <= left;
      if (isSent) left -= size;
      const bytes = isSent ? await driver.read(dataKey(inc)) : undefined;
      if (isSent && bytes === undefined) return;
      found.set(inc, {
        incarnation: inc,
        size,
        ...(bytes === undefined ? {} : { bytes: Buffer.from(bytes).toString('base64') }),
      });
    });
    return { objects: wanted.map((inc) => found.get(inc)).filter((each) => each !== undefined) };
  }

  open(inc: Incarnation, signal?: AbortSignal): Promise<StoredObject | undefined> {
    return this.#ports.driver.open(dataKey(inc), signal);
  }

  async collections(after: Incarnation | undefined, signal?: AbortSignal): Promise<CollectionsAnswer> {
    const epochs: Incarnation[] = [];
    for await (const { key } of this.#ports.driver.list(EPOCHS, after === undefined ? undefined : finalKey(after))) {
      signal?.throwIfAborted();
      const epoch = epochOfFinalKey(key);
      if (epoch === undefined) continue;
      if (epochs.length === MAX_EPOCHS) return { epochs, more: true };
      epochs.push(epoch);
    }
    return { epochs, more: false };
  }

  async collection(epoch: Incarnation): Promise<CollectionAnswer | undefined> {
    const bytes = await this.#ports.driver.read(finalKey(epoch));
    return bytes === undefined ? undefined : { objects: decodeList(bytes) };
  }

  /** Reads slots in order, up to the first absent one or the end of the budget. */
  async #read(keyOf: (seq: number) => Key, after: number, budget: Budget): Promise<Read> {
    const { driver } = this.#ports;
    const slots: string[] = [];
    const done = async (more: boolean): Promise<Read> => {
      // A slot that another thread or process has just written counts once it is durable, and with it those before it.
      if (slots.length > 0) await driver.confirm(keyOf(after + slots.length));
      return { slots, more };
    };
    for (let together = 1; ; together = Math.min(2 * together, AHEAD)) {
      const next = after + slots.length + 1;
      const some = await Promise.all(Array.from({ length: together }, (_, index) => driver.read(keyOf(next + index))));
      for (const bytes of some) {
        if (bytes === undefined) return await done(false);
        if (budget.slots <= 0 || budget.bytes <= 0) return await done(true);
        budget.slots--;
        budget.bytes -= bytes.length;
        slots.push(UTF8.decode(bytes));
      }
    }
  }
}

interface Budget {
  slots: number;
  bytes: number;
}

interface Read {
  readonly slots: readonly string[];
  readonly more: boolean;
}

/** Slots are JSON, so they are UTF-8. A slot that is not must not be changed on the way. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
