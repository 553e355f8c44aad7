import { forEachConcurrently } from '../collection/concurrently.ts';
import { algorithmOf, digestOf } from '../oci/digest.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { SessionIds } from '../registry/session-ids.ts';
import type { Durability, ObjectStore, StagedPlace, StagedProgress, StagedWrites } from '../storage/driver.ts';
import { dataKey, uploadPrefix } from '../storage/paths.ts';
import type { SourceBytes } from './http-source.ts';
import type { ReplicationSource } from './interface.ts';
import { MAX_OBJECTS, MAX_SMALL_BYTES } from './protocol.ts';
import { SourceAway } from './source-errors.ts';

const HEADS = 16;
const SMALL_REQUESTS = 4;
const LARGE_REQUESTS = 4;
/** How many objects are remembered as complete, so that a blob that is mounted often is looked for once. */
const MAX_KNOWN = 100_000;
/**
 * The owner of the upload sessions that large objects are written through. Such a session is never resumed, but it expires like any
 * other.
 */
const OWNER = { repo: 'replica' as RepositoryName, actor: 'system:replica' };

/** Bytes that slots name. */
export interface NamedBytes {
  readonly inc: Incarnation;
  readonly digest: Digest;
  readonly size: number;
}

/** Bytes that could not be copied: the source has deleted them since, or its copy is damaged. */
export interface NotCopied extends NamedBytes {
  readonly why: 'absent' | 'damaged';
}

export interface CopyPorts {
  readonly driver: ObjectStore & Durability & StagedWrites;
  readonly source: Pick<ReplicationSource, 'objects'> & {
    open(inc: Incarnation, signal: AbortSignal): Promise<SourceBytes | undefined>;
  };
  /** ULID of this store's objects. */
  readonly instance: string;
  /** Milliseconds. */
  readonly now: () => number;
  /** Called with the number of bytes of each object that was copied. */
  readonly copied: (bytes: number) => void;
}

/** Copies objects under their names, each once its bytes match its digest. Objects that are complete here are not requested. */
export class ByteCopier {
  readonly #ports: CopyPorts;
  readonly #ids: SessionIds;
  #known = new Set<Incarnation>();

  constructor(ports: CopyPorts) {
    this.#ports = ports;
    this.#ids = new SessionIds(ports.instance);
  }

  /**
   * Resolves once all are durable.
   * @returns those that the source does not have
   * @throws SourceAway, SourceRefused; errors of the store
   */
  async copy(wanted: Iterable<NamedBytes>, signal: AbortSignal): Promise<NotCopied[]> {
    const missing = await this.#missing(wanted, signal);
    const small = missing.filter(({ size }) => size <= MAX_SMALL_BYTES);
    const large = missing.filter(({ size }) => size > MAX_SMALL_BYTES);
    const failed: NotCopied[] = [];
    const copySmall = async (some: readonly NamedBytes[]): Promise<void> => {
      const left = await this.#copySmall(some, failed, signal);
      large.push(...left);
    };
    await forEachConcurrently(chunks(small, MAX_OBJECTS), SMALL_REQUESTS, copySmall);
    await forEachConcurrently(large, LARGE_REQUESTS, async (each) => {
      const why = await this.#copyLarge(each, signal);
      if (why === undefined) this.#complete(each.inc);
      else failed.push({ ...each, why });
    });
    return failed;
  }

  /** Copies are no longer known to exist, because objects are being deleted. */
  forget(): void {
    this.#known = new Set();
  }

  async #missing(wanted: Iterable<NamedBytes>, signal: AbortSignal): Promise<NamedBytes[]> {
    const unknown = new Map<Incarnation, NamedBytes>();
    for (const each of wanted) if (!this.#known.has(each.inc)) unknown.set(each.inc, each);
    const missing: NamedBytes[] = [];
    await forEachConcurrently(unknown.values(), HEADS, async (each) => {
      signal.throwIfAborted();
      if (await this.#isComplete(each)) this.#complete(each.inc);
      else missing.push(each);
    });
    return missing;
  }

  /** A small object may be torn: its name exists before its bytes are durable. A large one gets its name afterwards. */
  async #isComplete({ inc, digest, size }: NamedBytes): Promise<boolean> {
    const { driver } = this.#ports;
    if ((await driver.head(dataKey(inc)))?.size !== size) return false;
    if (size <= MAX_SMALL_BYTES) {
      const bytes = await driver.read(dataKey(inc));
      if (bytes === undefined || digestOf(algorithmOf(digest), bytes) !== digest) return false;
    }
    await driver.confirm(dataKey(inc));
    return true;
  }

  /** @returns those whose bytes must be requested one by one */
  async #copySmall(some: readonly NamedBytes[], failed: NotCopied[], signal: AbortSignal): Promise<NamedBytes[]> {
    const { source, copied } = this.#ports;
    const wanted = some.map(({ inc }) => inc);
    const { objects } = await source.objects(wanted, signal);
    const found = new Map(objects.map((each) => [each.incarnation, each]));
    const left: NamedBytes[] = [];
    const written: { readonly inc: Incarnation; readonly durable: Promise<void> }[] = [];
    for (const each of some) {
      const object = found.get(each.inc);
      if (object === undefined) {
        failed.push({ ...each, why: 'absent' });
        continue;
      }
      if (object.bytes === undefined) {
        left.push(each);
        continue;
      }
      const bytes = new Uint8Array(Buffer.from(object.bytes, 'base64'));
      if (digestOf(algorithmOf(each.digest), bytes) !== each.digest) {
        failed.push({ ...each, why: 'damaged' });
        continue;
      }
      written.push({ inc: each.inc, durable: this.#write(each.inc, bytes) });
      copied(bytes.length);
    }
    await settled(written.map(({ durable }) => durable));
    for (const { inc } of written) this.#complete(inc);
    return left;
  }

  async #write(inc: Incarnation, bytes: Uint8Array): Promise<void> {
    const { driver } = this.#ports;
    const key = dataKey(inc);
    // A torn object is replaced. Otherwise the object is new.
    if ((await driver.head(key)) !== undefined) return await driver.put(key, bytes);
    const written = await driver.write(key, bytes);
    await written.settle();
  }

  /** @returns undefined once it is durable, or why it was not copied */
  async #copyLarge({ inc, digest, size }: NamedBytes, signal: AbortSignal): Promise<NotCopied['why'] | undefined> {
    const { driver, source, now, copied } = this.#ports;
    const bytes = await source.open(inc, signal);
    if (bytes === undefined) return 'absent';
    const algorithm = algorithmOf(digest);
    const upload = this.#ids.mint(OWNER, { createdAt: now(), algorithm });
    let place: StagedPlace = { upload, inc };
    const keep = async (state: string): Promise<void> => {
      place = { ...place, state };
    };
    let isCommitted = false;
    try {
      const write = await driver.stage(place, 0, algorithm, keep, undefined, signal);
      let progress: StagedProgress;
      try {
        let read = 0;
        for await (const chunk of bytes.chunks) {
          read += chunk.length;
          // They may never end, and would fill the disk.
          if (read > size) return 'damaged';
          await write.write(chunk);
        }
        progress = await write.settle();
      } finally {
        await write.release();
      }
      if (progress.failure !== undefined) throw progress.failure;
      if (progress.state !== undefined) place = { ...place, state: progress.state };
      // All that the source has: it lost the rest.
      if (progress.size < size && progress.size === bytes.size) return 'damaged';
      if (progress.size < size)
        throw new SourceAway(`the source ended at ${progress.size} of ${size} bytes of ${digest}`);
      if (progress.size !== size || progress.digest !== digest) return 'damaged';
      isCommitted = await driver.commit(place, size);
      if (!isCommitted) throw new Error(`staged bytes of ${digest} were lost`);
      copied(size);
      return undefined;
    } finally {
      if (!isCommitted) await driver.discard(place);
      await driver.deleteAll(uploadPrefix(upload));
    }
  }

  #complete(inc: Incarnation): void {
    if (this.#known.size >= MAX_KNOWN) this.#known = new Set();
    this.#known.add(inc);
  }
}

function* chunks<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** Waits for all, then throws the first failure. */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
}
