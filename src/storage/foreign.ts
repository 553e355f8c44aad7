import type { Algorithm } from '../oci/digest.ts';
import type { Digest } from '../oci/names.ts';
import type { Key, StoreReader } from './driver.ts';

/** How an object became one of ours: as a second name of the same file, or as a copy that the file system or the bucket made. */
export type Given = 'linked' | 'copied';

/** An object that is there but cannot be read, by the fault of its owner or its disk; said in one line. */
export class ForeignUnreadable extends Error {
  override readonly name = 'ForeignUnreadable';
}

/** Objects that another program keeps, in a layout of its own: for looking, and for making them objects of our store. */
export interface ForeignStore extends StoreReader {
  /** For people. */
  readonly place: string;
  /** Whether `give` works. Where it does not, bytes have to be read here and written there. */
  readonly gives: boolean;
  /**
   * The digest of an object's bytes as they are now, undefined when it is gone. Big ones are read on another thread, where there
   * is one.
   * @param onBytes told of each piece that was read
   * @throws ForeignUnreadable
   */
  digest(
    key: Key,
    algorithm: Algorithm,
    onBytes: (count: number) => void,
    signal: AbortSignal,
  ): Promise<Digest | undefined>;
  /**
   * Makes an object the one under a fresh key of our store, without its bytes passing through this process. It is durable once
   * our driver has confirmed it.
   * @throws ForeignUnreadable; RegistryError `storage-full`
   */
  give(key: Key, to: Key, size: number): Promise<Given>;
  close(): Promise<void>;
}
