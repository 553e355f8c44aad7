import type { Digest } from '../oci/names.ts';
import type { Key, StoreReader } from './driver.ts';

/** How an object became one of ours: as a second name of the same file, or as a copy that the file system or the bucket made. */
export type Given = 'linked' | 'copied';

export interface Verification {
  readonly digest: Digest;
  /** Told of each piece that was read. */
  readonly onBytes: (count: number) => void;
  readonly signal: AbortSignal;
}

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
   * Makes an object the one under a fresh key of our store, without its bytes passing through this process. It is durable once
   * our driver has confirmed it.
   * @param verification of the bytes that become the object; left out where its name alone is believed
   * @returns undefined where the bytes are not what the digest says
   * @throws ForeignUnreadable; RegistryError `storage-full`
   */
  give(key: Key, to: Key, size: number, verification: Verification | undefined): Promise<Given | undefined>;
  close(): Promise<void>;
}
