import { type Algorithm, digestOf } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';
import type {
  ByteRange,
  CreateResult,
  DeleteFailure,
  KeepState,
  Key,
  ListedObject,
  StagedPlace,
  StagedProgress,
  StagedWrite,
  StorageDriver,
  StoredObject,
  WrittenObject,
} from '../driver.ts';
import { settleAll } from '../not-durable.ts';
import { dataKey, stagedKey } from '../paths.ts';
import { stagedGone } from '../staged-gone.ts';

/** Objects in a Map: the smallest implementation of the contract. For tests and simulations. */
export class MemoryDriver implements StorageDriver {
  readonly kind = 'memory';
  readonly #objects: Map<Key, Uint8Array>;

  /** @param objects where they are stored, for inspection by tests */
  constructor(objects = new Map<Key, Uint8Array>()) {
    this.#objects = objects;
  }

  async create(key: Key, bytes: Uint8Array, named: readonly WrittenObject[] = []): Promise<CreateResult> {
    await settleAll(named);
    if (this.#objects.has(key)) return 'taken';
    this.#objects.set(key, bytes.slice());
    return 'created';
  }

  async write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    this.#objects.set(key, bytes.slice());
    return { settle: async () => {} };
  }

  async put(key: Key, bytes: Uint8Array): Promise<void> {
    this.#objects.set(key, bytes.slice());
  }

  async read(key: Key): Promise<Uint8Array | undefined> {
    return this.#objects.get(key)?.slice();
  }

  async open(key: Key): Promise<StoredObject | undefined> {
    const bytes = this.#objects.get(key);
    if (bytes === undefined) return undefined;
    const open = ({ start, end }: ByteRange): ReadableStream<Uint8Array> =>
      new ReadableStream({
        start(controller) {
          if (end > start) controller.enqueue(bytes.slice(start, end));
          controller.close();
        },
      });
    return { size: bytes.length, body: { kind: 'stream', open } };
  }

  async head(key: Key): Promise<{ readonly size: number } | undefined> {
    const bytes = this.#objects.get(key);
    return bytes === undefined ? undefined : { size: bytes.length };
  }

  async delete(keys: readonly Key[]): Promise<readonly DeleteFailure[]> {
    for (const key of keys) this.#objects.delete(key);
    return [];
  }

  async deleteAll(prefix: Key): Promise<void> {
    for (const key of this.#objects.keys()) if (key.startsWith(prefix)) this.#objects.delete(key);
  }

  async *list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    const keys = [...this.#objects.keys()].filter(
      (key) => key.startsWith(prefix) && (after === undefined || key > after),
    );
    for (const key of keys.sort((a, b) => (a < b ? -1 : 1))) {
      const bytes = this.#objects.get(key);
      if (bytes !== undefined) yield { key, size: bytes.length };
    }
  }

  async confirm(): Promise<void> {}

  async stage(
    place: StagedPlace,
    from: number,
    algorithm: Algorithm,
    _keep: KeepState,
    _digest?: Digest,
    _signal?: AbortSignal,
  ): Promise<StagedWrite> {
    const key = stagedKey(place.upload, place.inc);
    const kept = this.#objects.get(key)?.slice(0, from) ?? new Uint8Array();
    if (kept.length < from) throw stagedGone();
    const chunks = [kept];
    return {
      write: async (chunk: Uint8Array): Promise<void> => {
        chunks.push(chunk.slice());
      },
      settle: async (): Promise<StagedProgress> => {
        const bytes = Buffer.concat(chunks);
        this.#objects.set(key, bytes);
        return { size: bytes.length, digest: digestOf(algorithm, bytes) };
      },
      release: async (): Promise<void> => {},
      drop: async (): Promise<void> => {
        this.#objects.set(key, kept);
      },
    };
  }

  async takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace> {
    const next: StagedPlace = { upload: place.upload, inc };
    if (size === 0) return next;
    const bytes = this.#objects.get(stagedKey(place.upload, place.inc));
    if (bytes === undefined || bytes.length < size) throw stagedGone();
    this.#objects.set(stagedKey(next.upload, next.inc), bytes.slice(0, size));
    return next;
  }

  async digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    const bytes = this.#objects.get(stagedKey(place.upload, place.inc)) ?? this.#objects.get(dataKey(place.inc));
    return bytes === undefined || bytes.length < size ? undefined : digestOf(algorithm, bytes.subarray(0, size));
  }

  async commit(place: StagedPlace, size: number): Promise<boolean> {
    const staged = stagedKey(place.upload, place.inc);
    const bytes = this.#objects.get(staged);
    if (bytes === undefined) return this.#objects.get(dataKey(place.inc))?.length === size;
    if (bytes.length < size) return false;
    this.#objects.set(dataKey(place.inc), bytes.slice(0, size));
    this.#objects.delete(staged);
    return true;
  }

  async discard(place: StagedPlace): Promise<void> {
    this.#objects.delete(stagedKey(place.upload, place.inc));
  }

  async close(): Promise<void> {}
}
