import type { Digest } from '../oci/names.ts';
import type { Key, StoreReader } from './driver.ts';

/** How a foreign object became ours: as a hard link, or as a copy made by the file system or the bucket. */
export type Given = 'linked' | 'copied';

export interface Verification {
  readonly digest: Digest;
  /** Called with the length of each piece that was read. */
  readonly onBytes: (count: number) => void;
  readonly signal: AbortSignal;
}

/** An object that exists but cannot be read or taken over, while others may be; the message is one line. */
export class ForeignUnreadable extends Error {
  override readonly name = 'ForeignUnreadable';
}

/** Objects of another program, in its own layout: for reading, and for taking them over into our store. */
export interface ForeignStore extends StoreReader {
  /** For people. */
  readonly place: string;
  /** Whether `give` works. If not, bytes must be read here and written there. */
  readonly gives: boolean;
  /**
   * Makes the object available under a fresh key of our store, without passing its bytes through this process. It is
   * durable once our driver has confirmed it.
   * @param verification of the bytes that become the object; omit to trust the name
   * @returns undefined if the bytes do not match the digest
   * @throws ForeignUnreadable; RegistryError `storage-full`
   */
  give(key: Key, to: Key, size: number, verification: Verification | undefined): Promise<Given | undefined>;
  close(): Promise<void>;
}
