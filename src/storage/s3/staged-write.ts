import type { Hash } from 'node:crypto';
import { type Algorithm, digestFromHex } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';
import { freeBytes } from '../../system/free-bytes.ts';
import type { Key, StagedProgress, StagedWrite } from '../driver.ts';
import { stagedGone } from '../staged-gone.ts';
import type { Bucket } from './bucket.ts';
import type { Budget, Holder } from './budget.ts';
import type { BufferPool } from './buffer-pool.ts';
import { PartBuffer } from './part-buffer.ts';
import type { PartSender } from './part-sender.ts';
import { LARGE } from './requests.ts';
import type { RunningDigests } from './running-digests.ts';
import { encodeState, type StagedState, sizeOfParts, sizeOfState } from './staged-state.ts';

export interface StagedWritePorts {
  readonly bucket: Bucket;
  readonly budget: Budget;
  readonly pool: BufferPool;
  readonly digests: RunningDigests;
  readonly partSize: number;
  readonly now: () => number;
  readonly newTailKey: () => Key;
  /** Of the client whose bytes these are. */
  readonly signal: AbortSignal | undefined;
}

/** An object that holds exactly the bytes after the last whole part. */
interface Tail {
  readonly key: Key;
  readonly size: number;
  /** Whether a state returned by `settle` names it. Only the holder of a later state may delete such a tail. */
  readonly reported: boolean;
}

/** The write of one lease holder. Whole parts are sent while the next one fills, and `settle` stores the rest as a tail object. */
export class S3StagedWrite implements StagedWrite, Holder {
  readonly #inc: Incarnation;
  readonly #base: StagedState;
  readonly #algorithm: Algorithm;
  readonly #ports: StagedWritePorts;
  readonly #sender: PartSender;
  readonly #buffer: PartBuffer;
  /** Of all bytes written so far; undefined if bytes of earlier holders would have to be read again. */
  #hash: Hash | undefined;
  #written: number;
  /** The object that also holds the buffer's bytes, until more are added. */
  #tail: Tail | undefined;
  /** The buffer is empty, and its bytes are in the tail only. */
  #spilled: boolean;
  #spilling: Promise<void> | undefined;
  /** Tails that no state names, and tails that only earlier states name. */
  readonly #unused: Key[] = [];
  readonly #stale: Key[] = [];
  #failure: unknown;
  #settled: number;
  #over = false;
  touchedAt: number;

  /** @param hash of exactly the bytes of `base`, if known */
  constructor(
    inc: Incarnation,
    base: StagedState,
    algorithm: Algorithm,
    hash: Hash | undefined,
    sender: PartSender,
    ports: StagedWritePorts,
  ) {
    this.#inc = inc;
    this.#base = base;
    this.#algorithm = algorithm;
    this.#ports = ports;
    this.#sender = sender;
    this.#hash = hash;
    this.#buffer = new PartBuffer(ports.budget, ports.pool, ports.partSize);
    this.#written = sizeOfState(base);
    this.#settled = this.#written;
    this.#tail = base.tail === undefined ? undefined : { ...base.tail, reported: true };
    this.#spilled = this.#tail !== undefined;
    this.touchedAt = ports.now();
    ports.budget.join(this);
  }

  get reclaimable(): number {
    const busy = this.#over || this.#spilling !== undefined || this.#buffer.isFull || this.#failure !== undefined;
    return busy ? 0 : this.#buffer.room;
  }

  /** Reads the tail back into the buffer. @throws RegistryError `upload-unknown` if it is gone */
  async load(): Promise<void> {
    if (!this.#spilled || this.#tail === undefined) return;
    const { key, size } = this.#tail;
    await this.#buffer.grow(size, () => true, this.#ports.signal);
    // The memory is taken, but there are no bytes yet that could be spilled.
    this.#spilled = false;
    this.#spilling = this.#fill(key, size).finally(() => {
      this.#spilling = undefined;
    });
    await this.#spilling;
  }

  async #fill(key: Key, size: number): Promise<void> {
    try {
      const bytes = await this.#ports.bucket.read(key);
      if (bytes === undefined || bytes.length < size) throw stagedGone();
      const content = bytes.subarray(0, size);
      this.#buffer.append(content);
      // The tail holds all bytes of the upload, so their hash is known now, whichever node wrote them.
      if (this.#hash === undefined && this.#written === size)
        this.#hash = this.#ports.digests.begin(this.#algorithm, content);
    } catch (error) {
      this.#failure = error;
      this.#buffer.clear();
      throw error;
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash?.update(chunk);
    this.#written += chunk.length;
    for (let taken = 0; taken < chunk.length; ) {
      this.#throwFailure();
      this.touchedAt = this.#ports.now();
      if (this.#spilling !== undefined) {
        await this.#spilling;
      } else if (this.#spilled) {
        await this.load();
      } else if (this.#buffer.isFull) {
        await this.#sendPart();
      } else {
        const count = this.#buffer.append(taken === 0 ? chunk : chunk.subarray(taken));
        taken += count;
        if (count > 0) this.#supersedeTail();
        else await this.#makeRoom(chunk.length - taken);
      }
    }
    freeBytes(chunk);
    if (this.#buffer.isFull && this.#spilling === undefined) await this.#sendPart();
  }

  async #makeRoom(wanted: number): Promise<void> {
    const isCurrent = (): boolean => !this.#spilled && this.#spilling === undefined;
    try {
      await this.#buffer.grow(wanted, isCurrent, this.#ports.signal);
    } catch (error) {
      // The hash and the count include a chunk of which only a part is in the buffer: it cannot become a tail.
      this.#failure ??= error;
      throw error;
    }
  }

  async #sendPart(): Promise<void> {
    await this.#sender.send(this.#buffer.takeFull());
  }

  #throwFailure(): void {
    this.#failure ??= this.#sender.failure;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The buffer has more bytes than the tail. */
  #supersedeTail(): void {
    if (this.#tail === undefined) return;
    (this.#tail.reported ? this.#stale : this.#unused).push(this.#tail.key);
    this.#tail = undefined;
  }

  async spill(): Promise<void> {
    if (this.reclaimable === 0) return;
    this.#spilling = this.#writeTail()
      .then(
        () => {
          this.#spilled = this.#tail !== undefined;
          this.#buffer.clear();
        },
        (error: unknown) => {
          this.#failure ??= error;
        },
      )
      .finally(() => {
        this.#spilling = undefined;
      });
    await this.#spilling;
  }

  /** Stores the buffer's bytes as an object, unless one holds them already. */
  async #writeTail(): Promise<void> {
    if (this.#tail !== undefined || this.#buffer.filled === 0) return;
    const { content } = this.#buffer;
    const key = this.#ports.newTailKey();
    await this.#ports.bucket.put(key, content, LARGE);
    this.#tail = { key, size: content.length, reported: false };
  }

  async settle(): Promise<StagedProgress> {
    await this.#spilling;
    await this.#sender.finish();
    this.#failure ??= this.#sender.failure;
    if (this.#failure === undefined) {
      await this.#writeTail().catch((error: unknown) => {
        this.#failure = error;
      });
    }
    if (this.#failure !== undefined) return this.#progressBefore(this.#failure);
    this.#settled = this.#written;
    if (this.#tail !== undefined) this.#tail = { ...this.#tail, reported: true };
    await this.#deleteUnused();
    const state = this.#stateWith(this.#tail);
    const digest = this.#hash === undefined ? {} : { digest: this.#digest(this.#hash) };
    return { size: this.#written, state: encodeState(state), ...digest };
  }

  /** Bytes that could not be stored are lost; the ones before them count. */
  #progressBefore(failure: unknown): StagedProgress {
    const { upload } = this.#sender;
    if (this.#sender.parts.length === 0) {
      const base = { ...this.#base, ...(upload === undefined ? {} : { upload }), next: this.#sender.next };
      return { size: sizeOfState(base), state: encodeState(base), failure };
    }
    const state = this.#stateWith(undefined);
    return { size: sizeOfParts(state.parts), state: encodeState(state), failure };
  }

  #stateWith(tail: Tail | undefined): StagedState {
    const { upload, next, parts } = this.#sender;
    const before = this.#base.tail?.key;
    const replaced = before === undefined || before === tail?.key ? [] : [before];
    return {
      ...(upload === undefined ? {} : { upload }),
      parts: [...this.#base.parts, ...parts],
      ...(tail === undefined ? {} : { tail: { key: tail.key, size: tail.size } }),
      stale: [...new Set([...replaced, ...this.#stale])],
      next,
    };
  }

  #digest(hash: Hash): Digest {
    return digestFromHex(this.#algorithm, hash.copy().digest('hex'));
  }

  /** A failure is harmless, because everything below uploads/ is removed when the session ends. */
  async #deleteUnused(): Promise<void> {
    const keys = [...this.#unused.splice(0), ...this.#base.stale];
    if (keys.length > 0) await this.#ports.bucket.delete(keys);
  }

  async release(): Promise<void> {
    await this.#end();
    const isKnown = this.#failure === undefined && this.#settled === this.#written;
    if (isKnown && this.#hash !== undefined) {
      this.#ports.digests.keep(this.#inc, this.#algorithm, this.#settled, this.#hash);
    }
  }

  async drop(): Promise<void> {
    await this.#end();
    const own = [this.#tail?.key, ...this.#stale, ...this.#unused].filter(
      (key): key is Key => key !== undefined && key !== this.#base.tail?.key,
    );
    if (own.length > 0) await this.#ports.bucket.delete(own);
    // A multipart upload without parts is never continued (see S3Staging.stage). If the abort fails, `reap` aborts it later.
    if (this.#base.parts.length === 0) await this.#sender.abandon().catch(() => undefined);
  }

  async #end(): Promise<void> {
    this.#over = true;
    await this.#spilling;
    await this.#sender.finish();
    this.#ports.budget.leave(this);
    this.#buffer.clear();
  }
}
