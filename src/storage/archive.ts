import type { Digest } from '../oci/names.ts';
import type { Key, StoredObject, StoreReader } from './driver.ts';

export interface Copy {
  readonly digest: Digest;
  /** Called with the length of each piece that was copied. */
  readonly onBytes: (count: number) => void;
}

/**
 * Objects that one process writes in bulk: the copies of a backup, or a store that is being restored. Unlike a store it does not sync
 * each object: what was written counts once `settle` has resolved.
 */
export interface Archive extends StoreReader {
  /** For people. */
  readonly place: string;
  /** Whether each object is whole and durable as soon as it has a name. If not, unsettled objects may be torn after a power cut. */
  readonly isDurableAtOnce: boolean;
  /** Whether there is nothing in it yet. */
  isEmpty(): Promise<boolean>;
  /** Creates or replaces an object. @throws RegistryError `storage-full` */
  write(key: Key, bytes: Uint8Array): Promise<void>;
  /**
   * Copies an object, if its bytes have the digest. If not, nothing gets the name.
   * @returns whether they have it
   * @throws RegistryError `storage-full`; errors of the source
   */
  copy(key: Key, source: StoredObject, copy: Copy): Promise<boolean>;
  /** Removes one object, durably once `settle` has resolved. A missing one counts as removed. */
  remove(key: Key): Promise<void>;
  /** Makes everything durable that was written before. @throws Error if bytes could not be written */
  settle(): Promise<void>;
  close(): Promise<void>;
}
