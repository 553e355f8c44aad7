import type { Algorithm } from '../oci/digest.ts';
import type { Digest, Incarnation, UploadId } from '../oci/names.ts';

/** A name in the store: components joined by `/`, made only by `paths.ts`. */
export type Key = string;

/** `created`: the object is durable under that name. `taken`: somebody else's object is there already. */
export type CreateResult = 'created' | 'taken';

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface PutOptions {
  /** false: the object may vanish or be torn by a power cut (hints). Default true: durable when the promise resolves. */
  readonly durable?: boolean;
}

export interface DeleteOptions {
  /** false: after a power cut the objects may be there again. Default true. */
  readonly durable?: boolean;
}

/** An object on its way to the disk. */
export interface WrittenObject {
  /** Resolves once it is durable; it need not be waited for. Rejected, the object is gone again. */
  readonly durable: Promise<void>;
}

/**
 * How the bytes of an object reach a client: the filesystem names a file, so that the kernel can send it by itself. Of a stream whose
 * chunks are `lent`, each one is gone when the next one is asked for: its memory is used again. Else they are the reader's.
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

/** What an address that leads clients straight to the store is good for. */
export interface PresignOptions {
  /** Milliseconds. */
  readonly expires: number;
  /** Headers of the store's answer. */
  readonly headers?: { readonly contentType?: string; readonly cacheControl?: string };
}

/** Where a staged write is kept. The session holds it between requests, whichever node gets the next one. */
export interface StagedPlace {
  readonly upload: UploadId;
  readonly inc: Incarnation;
  /** What the driver needs to go on, in its own words (JSON); undefined at first, and for drivers that need nothing. */
  readonly state?: string;
}

export interface StagedProgress {
  /** Bytes that are durable, from the first one on. */
  readonly size: number;
  /** Digest of exactly those bytes; undefined where only reading them all again could tell. */
  readonly digest?: Digest;
  /** The place's new `state`. */
  readonly state?: string;
  /** Why bytes that were written after those are not among them. */
  readonly failure?: unknown;
}

export type KeepState = (state: string) => Promise<void>;

/** One writer's hold on a staged object. Not for concurrent use: the caller holds the session's lease. */
export interface StagedWrite {
  /** Takes the next bytes. The promise is the back-pressure. The caller must not touch `chunk` afterwards. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes everything written so far durable and says how much that is. The write may go on afterwards. */
  settle(): Promise<StagedProgress>;
  /** Lets go; what was settled stays. */
  release(): Promise<void>;
  /** Lets go and gives back the room of everything written by this hold. */
  drop(): Promise<void>;
}

/**
 * The half of a store that changes nothing: all that a look from outside, beside the process that serves it, may use. A missing object is
 * `undefined`, never an error. An error means that there was no answer.
 */
export interface StoreReader {
  /** Short name for the start banner and the metrics. */
  readonly kind: string;
  /**
   * The whole object; for small ones.
   * @param signal of a caller that shares the answer with nobody: aborted once that caller is gone. A driver that waits for a store
   * then rejects with the signal's reason; others may finish. The same for `open`, `head` and `stage`.
   */
  read(key: Key, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  open(key: Key, signal?: AbortSignal): Promise<StoredObject | undefined>;
  head(key: Key, signal?: AbortSignal): Promise<{ readonly size: number } | undefined>;
  /** Keys below `prefix` (which ends with `/`) in ascending order of their bytes, those after `after` only. */
  list(prefix: Key, after?: Key): AsyncIterable<ListedObject>;
}

/**
 * Named objects, durable once a promise resolves. Anything that is thrown means: no answer, the operation may or may not have happened;
 * except `storage-full` (RegistryError), where it did not.
 */
export interface ObjectStore extends StoreReader {
  /**
   * Put-if-absent: of any number of concurrent calls for one key, exactly one is told `created`.
   * @param first what must have happened before the object gets its name; drivers that can prepare the object meanwhile do so.
   * Where it fails nothing is created and its error is thrown as it is.
   */
  create(key: Key, bytes: Uint8Array, first?: () => Promise<void>): Promise<CreateResult>;
  /** Creates or replaces. Readers see the old bytes or the new ones, never a mix (durable puts only). */
  put(key: Key, bytes: Uint8Array, options?: PutOptions): Promise<void>;
  /**
   * Missing keys count as deleted. It does not pace itself: a caller that deletes many while requests are served passes them in batches
   * and rests in between.
   */
  delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly DeleteFailure[]>;
  /** Removes everything below `prefix` (which ends with `/`); for small trees. */
  deleteAll(prefix: Key): Promise<void>;
}

/** Durability apart from the operation that it belongs to: begun early, or made sure of late. */
export interface Durability {
  /** Begins to put an object under a key that is new and that nobody knows yet, so that a torn object under it does no harm. */
  write(key: Key, bytes: Uint8Array): Promise<WrittenObject>;
  /** After this, an object that was read survives a power cut, whoever wrote it. */
  confirm(key: Key): Promise<void>;
}

/** Bytes that become an object once all of them came and were verified. */
export interface StagedWrites {
  /**
   * Begins a staged object, or goes on with one.
   * @param from the bytes that count, all durable; what was stored beyond them is dropped.
   * @param keep saves the place's state in the session while the write goes on, before the driver rests on it; its failure
   * ends the write: another request has taken the session over
   * @param digest of the bytes that count, where the session knows it. Only by it a driver can tell whether a hash that it kept
   * is theirs: others may have been stored in their place meanwhile, by another process.
   * @param signal ends waits of the write for room and for the store; `settle` then says what of it is durable
   * @throws RegistryError `upload-unknown` when fewer are there
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
   * Where a new holder goes on after one that did not let go and may still be writing: somewhere else, with the first `size`
   * bytes. `inc` is fresh, for drivers that must copy.
   * @throws RegistryError `upload-unknown` when fewer are there
   */
  takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace>;
  /**
   * Digest of the first `size` staged bytes, by reading them back, or of the object that they were made by `commit`. undefined
   * when fewer are there, and where staged bytes cannot be read before they are committed.
   */
  digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined>;
  /** Makes the first `size` staged bytes the object of that incarnation, durably; false when they are not there. */
  commit(place: StagedPlace, size: number): Promise<boolean>;
  /**
   * Whether `place.state` is one that this driver may have given for that upload, with `size` bytes or more: it names no object
   * of anybody else. To be asked where others may have written to what keeps the sessions. Absent where places have no state.
   */
  isStagedState?(place: StagedPlace, size: number): boolean;
  /** Removes whatever is staged there. */
  discard(place: StagedPlace): Promise<void>;
  /**
   * Ends what was begun to be staged before that time (milliseconds) and lies where only the store can list it. Absent where
   * there is no such place.
   * @returns how many
   */
  reapMultiparts?(before: number, signal: AbortSignal): Promise<number>;
}

export interface Presigner {
  /** An address under which anyone who has it can GET the object for a while. Absent where clients cannot reach the store. */
  presign?(key: Key, options: PresignOptions): Promise<string>;
}

/** A whole store. Take only the part that you need; this is for where parts are put together. */
export interface StorageDriver extends ObjectStore, Durability, StagedWrites, Presigner {
  close(): Promise<void>;
}
