import type { Algorithm } from '../oci/digest.ts';
import type { Digest, Incarnation, UploadId } from '../oci/names.ts';

/** A name in the store: components joined by `/`, built only by `paths.ts`. */
export type Key = string;

/** `created`: the object is durable under that name. `taken`: an object with that name exists. */
export type CreateResult = 'created' | 'taken';

export interface NewObject {
  readonly key: Key;
  readonly bytes: Uint8Array;
}

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface PutOptions {
  /**
   * false: the object may vanish or be torn after a power cut (hints). Default true: durable when the promise
   * resolves.
   */
  readonly durable?: boolean;
}

export interface DeleteOptions {
  /** false: after a power cut the objects may exist again. Default true. */
  readonly durable?: boolean;
}

/** An object that was written under a fresh key, but may not be durable yet. */
export interface WrittenObject {
  /** Resolves once the object is durable. If it rejects, the object has been removed. It may be called repeatedly, or never. */
  settle(): Promise<void>;
}

/**
 * How the bytes of an object reach a client. The filesystem names a file, so that the kernel can send it. A stream
 * with `lent` chunks reuses their memory: each chunk is valid until the next one is requested. Otherwise chunks
 * belong to the reader.
 */
export type ObjectBody =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stream'; open(range: ByteRange, chunks?: 'lent'): ReadableStream<Uint8Array> };

export interface StoredObject {
  readonly size: number;
  readonly body: ObjectBody;
}

export interface ListedObject {
  readonly key: Key;
  readonly size: number;
}

export interface DeleteFailure {
  readonly key: Key;
  readonly cause: unknown;
}

/** Options of a presigned URL. */
export interface PresignOptions {
  /** Milliseconds. */
  readonly expires: number;
  /** Headers of the store's response. */
  readonly headers?: { readonly contentType?: string; readonly cacheControl?: string };
}

/** Where a staged write is stored. The session keeps it between requests, whichever node gets the next one. */
export interface StagedPlace {
  readonly upload: UploadId;
  readonly inc: Incarnation;
  /** State of the driver, as JSON. undefined at first, and for drivers that need none. */
  readonly state?: string;
}

export interface StagedProgress {
  /** How many bytes are durable, from the first one on. */
  readonly size: number;
  /** Digest of exactly those bytes; undefined if they would have to be read again. */
  readonly digest?: Digest;
  /** The new `state` of the place. */
  readonly state?: string;
  /** Why later bytes are not included. */
  readonly failure?: unknown;
}

export type KeepState = (state: string) => Promise<void>;

/** A writer of a staged object. Not for concurrent use: the caller holds the lease of the session. */
export interface StagedWrite {
  /** Writes the next bytes. The promise is back-pressure. The caller must not use `chunk` afterwards. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes everything written so far durable and returns how much that is. Writing may continue afterwards. */
  settle(): Promise<StagedProgress>;
  /** Ends the write; settled bytes stay. */
  release(): Promise<void>;
  /** Ends the write and discards everything written by it. */
  drop(): Promise<void>;
}

/**
 * The read-only part of a store, also for looking at it from outside, beside the process that serves it. A missing
 * object is `undefined`, never an error. An error means that the store did not answer.
 */
export interface StoreReader {
  /** Short name for the start banner and the metrics. */
  readonly kind: string;
  /**
   * The whole object; for small ones.
   * @param signal may be passed only if no other caller shares the answer; it is aborted once the caller is gone. A driver that waits
   * for a remote store then rejects with the signal's reason; other drivers may finish. The same holds for `open`, `head` and `stage`.
   */
  read(key: Key, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Several small objects at once, for readers that know what they need next. Absent if that is no faster than as many reads.
   * @returns in the order of the keys
   */
  readSeveral?(keys: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]>;
  open(key: Key, signal?: AbortSignal): Promise<StoredObject | undefined>;
  head(key: Key, signal?: AbortSignal): Promise<{ readonly size: number } | undefined>;
  /** Keys below `prefix` (which ends with `/`) in ascending byte order; with `after`, only later ones. */
  list(prefix: Key, after?: Key): AsyncIterable<ListedObject>;
  /** The keys of `list`, for readers that need no sizes. Absent if that is no faster. */
  listKeys?(prefix: Key): AsyncIterable<Key>;
}

/**
 * Named objects, durable once the promise resolves. An error means that there was no answer, so that the operation
 * may or may not have happened; only after `storage-full` (RegistryError) it has not.
 */
export interface ObjectStore extends StoreReader {
  /**
   * Put-if-absent: of any number of concurrent calls for one key, exactly one gets `created`.
   * @param named objects that this one refers to. They are durable before it has its name
   * @throws NotDurable if that failed for some of them: nothing is created
   */
  create(key: Key, bytes: Uint8Array, named?: readonly WrittenObject[]): Promise<CreateResult>;
  /**
   * Creates objects one after another, up to the first whose name is taken, but waits for the disk once. Whatever ends the process or the
   * power, none of them exists without those before it. Absent if as many creates are as fast.
   * @returns how many were created
   */
  createInOrder?(objects: readonly NewObject[]): Promise<number>;
  /** Creates or replaces. Readers see the old bytes or the new ones, never a mix (durable puts only). */
  put(key: Key, bytes: Uint8Array, options?: PutOptions): Promise<void>;
  /**
   * Missing keys count as deleted. Does not pace itself: a caller that deletes many objects while requests are served
   * passes them in batches and rests in between.
   */
  delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly DeleteFailure[]>;
  /** Removes everything below `prefix` (which ends with `/`); for small trees. */
  deleteAll(prefix: Key): Promise<void>;
}

/** Durability separate from writing: begun early, or confirmed late. */
export interface Durability {
  /**
   * Writes an object under a fresh key that nothing refers to yet, so that a torn object does no harm. It becomes durable by `settle`, or
   * with an object that refers to it (`create`), which saves a wait for the disk.
   */
  write(key: Key, bytes: Uint8Array): Promise<WrittenObject>;
  /** Makes an object durable that any process may have written. Resolves once it survives a power cut. */
  confirm(key: Key): Promise<void>;
}

/** Bytes that become an object once all of them have arrived and were verified. */
export interface StagedWrites {
  /**
   * Begins a staged object, or continues one.
   * @param from the number of bytes that count, all durable; bytes stored after them are discarded
   * @param keep saves the place's state in the session during the write, before the driver depends on it. If it fails, another
   * request has taken the session over, and the write ends
   * @param digest of the bytes that count, if the session knows it. A driver needs it to tell whether a running hash that it kept
   * belongs to these bytes, because another process may have replaced them
   * @param signal ends waits of the write for space and for the store; `settle` then says how many bytes are durable
   * @throws RegistryError `upload-unknown` if fewer bytes are stored
   */
  stage(
    place: StagedPlace,
    from: number,
    algorithm: Algorithm,
    keep: KeepState,
    digest?: Digest,
    signal?: AbortSignal,
  ): Promise<StagedWrite>;
  /**
   * A new place for a holder that takes over from one that may still be writing, with the first `size` bytes. `inc`
   * is fresh, for drivers that must copy.
   * @throws RegistryError `upload-unknown` if fewer bytes are stored
   */
  takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace>;
  /**
   * Digest of the first `size` staged bytes, by reading them back, or of the object that `commit` made of them.
   * undefined if fewer bytes are stored, or if staged bytes cannot be read before they are committed.
   */
  digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined>;
  /** Makes the first `size` staged bytes the object of that incarnation, durably. false if they are missing. */
  commit(place: StagedPlace, size: number): Promise<boolean>;
  /**
   * Whether `place.state` may come from this driver for that upload, with `size` bytes or more, so that it names no object of
   * another upload. To be checked if others may write where the sessions are kept. Absent if places have no state.
   */
  isStagedState?(place: StagedPlace, size: number): boolean;
  /** Removes whatever is staged there. */
  discard(place: StagedPlace): Promise<void>;
  /**
   * Aborts staged writes begun before the given time (milliseconds) that only the store can list. Absent if the store
   * has no such writes.
   * @returns how many it aborted
   */
  reapMultiparts?(before: number, signal: AbortSignal): Promise<number>;
}

export interface Presigner {
  /** A URL with which any client can GET the object until it expires. Absent if clients cannot reach the store. */
  presign?(key: Key, options: PresignOptions): Promise<string>;
}

/** A whole store. Consumers take only the part they need; this type is for the wiring. */
export interface StorageDriver extends ObjectStore, Durability, StagedWrites, Presigner {
  close(): Promise<void>;
}
