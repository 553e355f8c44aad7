import { RegistryError } from '../../oci/errors.ts';
import type { KeepState, Key } from '../driver.ts';
import { stagedGone } from '../staged-gone.ts';
import type { Bucket } from './bucket.ts';
import type { Budget } from './budget.ts';
import type { BufferPool } from './buffer-pool.ts';
import { isUploadGone } from './failures.ts';
import { encodeState, LAST_PART_NUMBER, type StagedPart, type StagedState } from './staged-state.ts';

/** Part numbers reserved in the session at a time. Those of a holder that dies stay unused. */
const RESERVED_NUMBERS = 100;
/** Parts of one upload in flight. More would be no faster, and would take memory from other uploads. */
const MAX_IN_FLIGHT = 3;

export interface PartSenderPorts {
  readonly bucket: Bucket;
  readonly budget: Budget;
  readonly pool: BufferPool;
  readonly keep: KeepState;
  /** Of the client. When it leaves, parts in flight are finished: their bytes count when it resumes the upload. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Sends the parts of one lease holder. Part numbers are reserved in the session before they are used, so a holder that takes the
 * upload over uses higher numbers, to which this holder never writes.
 */
export class PartSender {
  readonly #key: Key;
  readonly #base: StagedState;
  readonly #ports: PartSenderPorts;
  readonly #inFlight = new Set<Promise<void>>();
  /** In the order of their bytes; undefined while a part is in flight. */
  readonly #sent: (StagedPart | undefined)[] = [];
  #upload: string | undefined;
  #next: number;
  #reserved: number;
  #failure: unknown;

  /** @param base the state of the session when this holder took the lease */
  constructor(key: Key, base: StagedState, ports: PartSenderPorts) {
    this.#key = key;
    this.#base = base;
    this.#ports = ports;
    this.#upload = base.upload;
    this.#next = base.next;
    this.#reserved = base.next;
  }

  /** Why no more parts are sent. */
  get failure(): unknown {
    return this.#failure;
  }

  get upload(): string | undefined {
    return this.#upload;
  }

  /** The lowest part number that no holder has used. */
  get next(): number {
    return this.#next;
  }

  /** The parts that this holder has stored, up to the first missing one. */
  get parts(): readonly StagedPart[] {
    const end = this.#sent.indexOf(undefined);
    const parts = end === -1 ? this.#sent : this.#sent.slice(0, end);
    return parts.filter((part) => part !== undefined);
  }

  /** Sends a part as soon as few enough are in flight, and releases its memory once it is stored. @throws the failure of an earlier part */
  async send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let number: number;
    try {
      while (this.#inFlight.size >= MAX_IN_FLIGHT) await Promise.race(this.#inFlight);
      if (this.#failure !== undefined) throw this.#failure;
      number = await this.#nextNumber();
    } catch (error) {
      this.#failure ??= error;
      this.#returnRoom(bytes, true);
      throw this.#failure;
    }
    const index = this.#sent.push(undefined) - 1;
    const work = this.#send(number, bytes)
      .then(
        (part) => {
          this.#sent[index] = part;
          this.#returnRoom(bytes, true);
        },
        (error: unknown) => {
          this.#failure ??= error;
          this.#returnRoom(bytes, false);
        },
      )
      .finally(() => this.#inFlight.delete(work));
    this.#inFlight.add(work);
  }

  #returnRoom(bytes: Uint8Array<ArrayBuffer>, reusable: boolean): void {
    const room = bytes.length;
    this.#ports.pool.giveBack(bytes, reusable);
    this.#ports.budget.give(room);
  }

  /** Resolves when no part is in flight. */
  async finish(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** Aborts the multipart upload if this holder began it, because its parts do not count. */
  async abandon(): Promise<void> {
    if (this.#upload === undefined || this.#upload === this.#base.upload) return;
    await this.#ports.bucket.abortMultipart(this.#key, this.#upload);
  }

  async #send(number: number, bytes: Uint8Array): Promise<StagedPart> {
    if (this.#upload === undefined) throw new Error('a part has no multipart upload');
    try {
      const { bucket, signal } = this.#ports;
      return await bucket.uploadPart(this.#key, this.#upload, number, bytes, { signal, finishesAttempt: true });
    } catch (error) {
      // Another holder completed or aborted it.
      throw isUploadGone(error) ? stagedGone() : error;
    }
  }

  async #nextNumber(): Promise<number> {
    if (this.#next === this.#reserved) await this.#reserve();
    return this.#next++;
  }

  async #reserve(): Promise<void> {
    const end = Math.min(this.#next + RESERVED_NUMBERS, LAST_PART_NUMBER);
    // The last number is for the bytes after the last whole part.
    if (end <= this.#next) {
      throw new RegistryError(
        'request-invalid',
        'this blob has more parts than the object store accepts in one upload: the operator can set a larger S3_PART_SIZE',
      );
    }
    this.#upload ??= await this.#ports.bucket.beginMultipart(this.#key);
    await this.#ports.keep(encodeState({ ...this.#base, upload: this.#upload, next: end }));
    this.#reserved = end;
  }
}
