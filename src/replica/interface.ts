import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoredObject } from '../storage/driver.ts';
import type {
  CollectionAnswer,
  CollectionsAnswer,
  IdentityAnswer,
  ObjectsAnswer,
  RepositoriesAnswer,
  SlotsAnswer,
  StoreLog,
  StoreLogAnswer,
  WantedSlots,
} from './protocol.ts';

/**
 * What a replica copies. It shows logs with the names of actors and nodes, and the hashes of robots' secrets, so callers need the right
 * `admin`. All slots that it shows are durable.
 */
export interface ReplicationSource {
  identity(): Promise<IdentityAnswer>;
  /** Slots of several logs. @throws RegistryError `log-broken` */
  slots(wanted: readonly WantedSlots[], signal?: AbortSignal): Promise<SlotsAnswer>;
  /**
   * Slots of one of the store's own logs.
   * @param wait how long to wait for the next slot if there is none yet, in milliseconds
   * @param signal ends the wait
   */
  storeLog(log: StoreLog, after: number, wait: number, signal?: AbortSignal): Promise<StoreLogAnswer>;
  /** Names of all logs. */
  repositories(after: RepositoryName | undefined, signal?: AbortSignal): Promise<RepositoriesAnswer>;
  objects(wanted: readonly Incarnation[], signal?: AbortSignal): Promise<ObjectsAnswer>;
  /** Rounds of collection that began after this one. */
  collections(after: Incarnation | undefined, signal?: AbortSignal): Promise<CollectionsAnswer>;
  /** @returns undefined if the round has not decided what to delete */
  collection(epoch: Incarnation, signal?: AbortSignal): Promise<CollectionAnswer | undefined>;
}

/** The part that a server has of it, beside what it sends as a file or a stream. */
export interface LocalSource extends ReplicationSource {
  /** @returns undefined if it does not exist */
  open(inc: Incarnation, signal?: AbortSignal): Promise<StoredObject | undefined>;
}
