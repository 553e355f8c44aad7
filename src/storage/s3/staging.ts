import { createHash } from 'node:crypto';
import { type Algorithm, digestFromHex } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';
import type { KeepState, Key, StagedPlace, StagedWrite } from '../driver.ts';
import { DATA, dataKey, incarnationOfDataKey, tailKey } from '../paths.ts';
import { stagedGone } from '../staged-gone.ts';
import type { Bucket, OpenMultipart } from './bucket.ts';
import type { Budget } from './budget.ts';
import { BufferPool } from './buffer-pool.ts';
import { isPartGone, isUploadGone, NoAnswer } from './failures.ts';
import { objectStream } from './object-stream.ts';
import { PartSender } from './part-sender.ts';
import { LARGE } from './requests.ts';
import { RunningDigests } from './running-digests.ts';
import type { S3Ports } from './settings.ts';
import {
  type Cut,
  cutState,
  decodeState,
  encodeState,
  NOTHING_STAGED,
  type StagedPart,
  type StagedState,
} from './staged-state.ts';
import { S3StagedWrite } from './staged-write.ts';

/** Multipart uploads that one run of `reap` aborts, which bounds its memory; the next run continues. */
const REAP_BATCH = 10_000;

export interface S3StagingPorts {
  readonly bucket: Bucket;
  readonly budget: Budget;
  readonly partSize: number;
  readonly ports: S3Ports;
}

/**
 * Staged blobs: multipart uploads directly to the incarnation's key. A commit copies nothing but the bytes after the last
 * whole part. Two holders of one upload cannot corrupt each other's bytes: a later holder does not reuse the numbers of parts that
 * count, and the completion names each part with its ETag and checksum and succeeds only once.
 */
export class S3Staging {
  readonly #ports: S3StagingPorts;
  readonly #digests = new RunningDigests();
  readonly #pool: BufferPool;

  constructor(ports: S3StagingPorts) {
    this.#ports = ports;
    this.#pool = new BufferPool(ports.partSize);
  }

  async stage(
    place: StagedPlace,
    from: number,
    algorithm: Algorithm,
    keep: KeepState,
    digest?: Digest,
    signal?: AbortSignal,
  ): Promise<StagedWrite> {
    const { bucket, budget, partSize, ports } = this.#ports;
    const known = stateOf(place);
    const base = await this.#withoutEmptyMultipart(dataKey(place.inc), stateAt(known, from));
    const sender = new PartSender(dataKey(place.inc), base, { bucket, budget, pool: this.#pool, keep, signal });
    const hash = this.#digests.resume(place.inc, algorithm, from, digest);
    const newTailKey = (): Key => tailKey(place.upload, ports.newId());
    const write = new S3StagedWrite(place.inc, base, algorithm, hash, sender, {
      ...{ bucket, budget, pool: this.#pool, partSize, newTailKey },
      digests: this.#digests,
      now: ports.now,
      signal,
    });
    try {
      await write.load();
    } catch (error) {
      await write.release();
      throw error;
    }
    return write;
  }

  /**
   * A multipart upload without a part that counts is replaced by a new one, because a write that was dropped may have aborted it, and
   * a deposed holder may still write to it.
   */
  async #withoutEmptyMultipart(key: Key, state: StagedState): Promise<StagedState> {
    const { upload, ...rest } = state;
    if (upload === undefined || state.parts.length > 0) return state;
    await this.#abort(key, upload);
    return { ...rest, next: 1 };
  }

  async takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace> {
    const { upload } = place;
    const state = stateAt(stateOf(place), size);
    // One number is skipped, because the earlier holder may use it for its last bytes.
    if (state.parts.length > 0)
      return { upload, inc: place.inc, state: encodeState({ ...state, next: state.next + 1 }) };
    const fresh = await this.#withoutEmptyMultipart(dataKey(place.inc), state);
    return { upload, inc, ...(size === 0 ? {} : { state: encodeState(fresh) }) };
  }

  async digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    const { bucket, ports } = this.#ports;
    const key = dataKey(place.inc);
    const found = await bucket.head(key);
    if (found === undefined || found.size < size) return undefined;
    const hash = createHash(algorithm);
    const bytes = objectStream({ start: 0, end: size }, (range) => bucket.stream(key, range), ports);
    for await (const chunk of bytes) hash.update(chunk);
    return digestFromHex(algorithm, hash.digest('hex'));
  }

  async commit(place: StagedPlace, size: number): Promise<boolean> {
    const key = dataKey(place.inc);
    const state = stateOf(place);
    const cut = state === undefined ? undefined : cutState(state, size);
    if (state === undefined || cut === undefined) return false;
    const isThere =
      cut.parts.length === 0 ? await this.#commitSmall(key, cut, size) : await this.#commitParts(key, state, cut, size);
    if (!isThere) return false;
    if (state.upload !== undefined && cut.parts.length === 0) await this.#abort(key, state.upload);
    await this.#forgetTails(state);
    return true;
  }

  /** Commits an upload without whole parts. The write is conditional, because an incarnation that already exists may be linked. */
  async #commitSmall(key: Key, { tail }: Cut, size: number): Promise<boolean> {
    const { bucket } = this.#ports;
    return await this.#withTail(tail, async (bytes) => {
      if (bytes !== undefined && (await bucket.create(key, bytes)) === 'created') return true;
      return await this.#isThere(key, size);
    });
  }

  async #commitParts(key: Key, state: StagedState, cut: Cut, size: number): Promise<boolean> {
    const { upload } = state;
    const { bucket } = this.#ports;
    if (upload === undefined) return false;
    // One deadline for the last part and the completion together.
    const deadline = bucket.deadlineOf(LARGE);
    try {
      const last = await this.#sendTail(key, upload, state.next, cut, deadline);
      const parts = last === undefined ? cut.parts : [...cut.parts, last];
      await bucket.completeMultipart(key, upload, parts, { deadline });
    } catch (error) {
      if (isPartGone(error)) return false;
      // It may have succeeded in an earlier attempt whose answer was lost, here or in a process that was killed.
      if (!isUploadGone(error) && !(error instanceof NoAnswer) && !(error instanceof TailGone)) throw error;
      if (await this.#isThere(key, size)) return true;
      if (error instanceof NoAnswer) throw error;
      return false;
    }
    // Some stores answer a repeated completion with 200 whatever parts it names, so the result is verified.
    return await this.#isThere(key, size);
  }

  async #sendTail(
    key: Key,
    upload: string,
    n: number,
    { tail }: Cut,
    deadline: number,
  ): Promise<StagedPart | undefined> {
    if (tail === undefined) return undefined;
    return await this.#withTail(tail, async (bytes) => {
      if (bytes === undefined) throw new TailGone('the bytes after the last whole part are gone');
      return await this.#ports.bucket.uploadPart(key, upload, n, bytes, { deadline });
    });
  }

  /** @param work gets undefined if the tail's object is gone */
  async #withTail<T>(tail: Cut['tail'], work: (bytes: Uint8Array | undefined) => Promise<T>): Promise<T> {
    if (tail === undefined) return await work(new Uint8Array());
    const { bucket, budget } = this.#ports;
    await budget.take(tail.size);
    try {
      const bytes = await bucket.read(tail.key);
      return await work(bytes === undefined || bytes.length < tail.size ? undefined : bytes.subarray(0, tail.size));
    } finally {
      budget.give(tail.size);
    }
  }

  async #isThere(key: Key, size: number): Promise<boolean> {
    return (await this.#ports.bucket.head(key))?.size === size;
  }

  async discard(place: StagedPlace): Promise<void> {
    const state = stateOf(place);
    if (state === undefined) return;
    if (state.upload !== undefined) await this.#abort(dataKey(place.inc), state.upload);
    await this.#forgetTails(state);
  }

  /**
   * Aborts multipart uploads that began before the given time (milliseconds), so that no session refers to them any more.
   * @returns how many it aborted
   */
  async reap(before: number, signal: AbortSignal): Promise<number> {
    // Listed first, because some stores cannot continue a listing after an upload of it was aborted.
    const abandoned: OpenMultipart[] = [];
    for await (const each of this.#ports.bucket.multiparts(DATA)) {
      if (signal.aborted || abandoned.length === REAP_BATCH) break;
      const { key, begunAt } = each;
      if (incarnationOfDataKey(key) !== undefined && begunAt !== undefined && begunAt < before) abandoned.push(each);
    }
    let ended = 0;
    for (const { key, upload } of abandoned) {
      if (signal.aborted) break;
      await this.#abort(key, upload);
      ended++;
    }
    return ended;
  }

  async #abort(key: Key, upload: string): Promise<void> {
    await this.#ports.bucket.abortMultipart(key, upload).catch((error: unknown) => {
      if (!isUploadGone(error)) throw error;
    });
  }

  /** A tail that cannot be deleted now is removed with everything below uploads/ when the session ends. */
  async #forgetTails({ tail, stale }: StagedState): Promise<void> {
    const keys = tail === undefined ? stale : [...stale, tail.key];
    if (keys.length > 0) await this.#ports.bucket.delete(keys);
  }
}

class TailGone extends Error {
  override readonly name = 'TailGone';
}

function stateOf({ upload, state }: StagedPlace): StagedState | undefined {
  return state === undefined ? undefined : decodeState(upload, state);
}

/** The state cut to its first `size` bytes. @throws RegistryError `upload-unknown` if it has fewer */
function stateAt(state: StagedState | undefined, size: number): StagedState {
  const cut = cutState(state ?? NOTHING_STAGED, size);
  if (cut === undefined) throw stagedGone();
  const { tail: dropped, ...rest } = state ?? NOTHING_STAGED;
  const stale = dropped === undefined || dropped.key === cut.tail?.key ? rest.stale : [...rest.stale, dropped.key];
  return { ...rest, parts: [...cut.parts], stale, ...(cut.tail === undefined ? {} : { tail: cut.tail }) };
}
