import type { Digest } from '../oci/names.ts';
import type { Key, StoredObject, StoreReader } from './driver.ts';

export interface Copy {
  readonly digest: Digest;
  /** Called with the length of each piece that was copied, and awaited. */
  readonly onBytes: (count: number) => Promise<void> | undefined;
}

/**
 * Objects that one process writes in bulk: the copies of a backup, or a store that is being restored. Unlike a store it does not sync
 * each object: what was written is durable once `settle` has resolved, and only then it is certain to be listed. An object that can be
 * seen by later processes is whole, whatever happened to the one that wrote it.
 */
export interface Archive extends StoreReader {
  /** For people. */
  readonly place: string;
  /** Whether no other process writes to it until it is closed. */
  readonly isAlone: boolean;
  /** Whether there is nothing in it yet. */
  isEmpty(): Promise<boolean>;
  /** Creates or replaces an object. @throws RegistryError `storage-full` */
  write(key: Key, bytes: Uint8Array): Promise<void>;
  /**
   * Creates or replaces the object that says that all others are there: it gets its name once they are durable, and is durable itself
   * when this resolves. To be called when no other call runs.
   * @throws RegistryError `storage-full`; Error if bytes could not be written
   */
  writeLast(key: Key, bytes: Uint8Array): Promise<void>;
  /**
   * Copies an object, if its bytes have the digest. If not, nothing gets the name.
   * @returns whether they have it
   * @throws RegistryError `storage-full`; errors of the source
   */
  copy(key: Key, source: StoredObject, copy: Copy): Promise<boolean>;
  /** Removes objects, durably once `settle` has resolved. Missing ones count as removed. */
  remove(keys: readonly Key[]): Promise<void>;
  /** Makes everything durable that was written before. @throws Error if bytes could not be written */
  settle(): Promise<void>;
  /** What was written and not settled may stay or not. @throws Error if bytes could not be written */
  close(): Promise<void>;
}
