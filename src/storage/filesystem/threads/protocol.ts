import type { CreateResult, DeleteOptions, Key } from '../../driver.ts';

/** What a thread that does not own the data folder knows about it. It can be sent to another thread. */
export interface ThreadFolder {
  /** Absolute path of the data folder. */
  readonly root: string;
  /** Whether small objects are durable once they are in the write-ahead log. */
  readonly isLogged: boolean;
  /** Reserve.memory */
  readonly reserve: SharedArrayBuffer;
}

/** Why an object was not deleted. */
export interface SentFailure {
  readonly key: Key;
  readonly message: string;
  readonly code: string | undefined;
}

/** Key and bytes of an object. An array, because calls carry only the bytes of a view if it is an argument or in an array. */
export type SentObject = readonly [Key, Uint8Array];

/**
 * What the owner of the data folder does for another thread: everything that touches the write-ahead log, the reserve, the folders that
 * are known to be durable, or a name that only one writer may get. All reject as the driver's methods do.
 */
export interface StoreCalls {
  open(): Promise<ThreadFolder>;
  /** As ObjectStore.create. */
  create(key: Key, bytes: Uint8Array): Promise<CreateResult>;
  /**
   * As Creation.publish: of a small object, only if `isLogged`.
   * @param named small objects that it refers to. They are logged with it; the thread has just written them under fresh names
   */
  publish(key: Key, bytes: Uint8Array, prepared: Key, named: readonly SentObject[]): Promise<CreateResult>;
  /** As ObjectStore.put, durable. */
  put(key: Key, bytes: Uint8Array): Promise<void>;
  /** Makes a small object durable that the thread has just written under a fresh name. Only if `isLogged`. */
  log(key: Key, bytes: Uint8Array): Promise<void>;
  /** As ObjectStore.delete. */
  delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly SentFailure[]>;
  deleteAll(prefix: Key): Promise<void>;
  /** Makes a folder durable, with its parents. @param folder relative to the root */
  ensureFolder(folder: string): Promise<void>;
  freeReserve(): Promise<void>;
  restoreReserve(): Promise<void>;
  /** Takes the reserve back if there is space. @throws RegistryError `storage-full` while clients may not write */
  admit(): Promise<void>;
}

/** For `remote` in threads/calls.ts. */
export const STORE_CALLS = [
  ...([
    'open',
    'create',
    'publish',
    'put',
    'log',
    'delete',
    'deleteAll',
    'ensureFolder',
    'freeReserve',
    'restoreReserve',
    'admit',
  ] as const),
] satisfies readonly (keyof StoreCalls)[];
