import { RegistryError } from '../../oci/errors.ts';
import type { KeepState, Key } from '../driver.ts';
import { stagedGone } from '../staged-gone.ts';
import type { Bucket } from './bucket.ts';
import type { Budget } from './budget.ts';
import type { BufferPool } from './buffer-pool.ts';
import { isUploadGone } from './failures.ts';
import { encodeState, LAST_PART_NUMBER, type StagedPart, type StagedState } from './staged-state.ts';

/** Numbers that are reserved in the session at once. Those of a holder that dies are lost. */
const BLOCK = 100;
/** Parts of one upload under way: more are no faster, and others want room too. */
const AT_ONCE = 3;

export interface PartSenderPorts {
  readonly bucket: Bucket;
  readonly budget: Budget;
  readonly pool: BufferPool;
  readonly keep: KeepState;
  /** Of the client whose bytes these are. A part that is being sent when it leaves is sent to its end: its bytes count when it comes back. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Sends the parts of one hold. Numbers are reserved in the session before a part of theirs is sent: who takes the upload over
 * goes on behind them, where this hold cannot write.
 */
export class PartSender {
  readonly #key: Key;
  readonly #base: StagedState;
  readonly #ports: PartSenderPorts;
  readonly #underWay = new Set<Promise<void>>();
  /** In the order of their bytes; undefined: not there yet. */
  readonly #sent: (StagedPart | undefined)[] = [];
  #upload: string | undefined;
  #next: number;
  #reserved: number;
  #failure: unknown;

  /** @param base what the hold began with */
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

  /** A number that nobody has used. */
  get next(): number {
    return this.#next;
  }

  /** The parts of this hold that are there, up to the first that is not. */
  get parts(): readonly StagedPart[] {
    const end = this.#sent.indexOf(undefined);
    const parts = end === -1 ? this.#sent : this.#sent.slice(0, end);
    return parts.filter((part) => part !== undefined);
  }

  /** Sends a part as soon as there are not too many under way; its room is given back then. Throws when an earlier one failed. */
  async send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let number: number;
    try {
      while (this.#underWay.size >= AT_ONCE) await Promise.race(this.#underWay);
      if (this.#failure !== undefined) throw this.#failure;
      number = await this.#nextNumber();
    } catch (error) {
      this.#failure ??= error;
      this.#letGo(bytes, true);
      throw this.#failure;
    }
    const index = this.#sent.push(undefined) - 1;
    const work = this.#send(number, bytes)
      .then(
        (part) => {
          this.#sent[index] = part;
          this.#letGo(bytes, true);
        },
        (error: unknown) => {
          this.#failure ??= error;
          this.#letGo(bytes, false);
        },
      )
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  #letGo(bytes: Uint8Array<ArrayBuffer>, reusable: boolean): void {
    const room = bytes.length;
    this.#ports.pool.giveBack(bytes, reusable);
    this.#ports.budget.give(room);
  }

  /** Resolves when no part is under way. */
  async finish(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** For a hold whose parts do not count: ends the multipart upload that it began. */
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
      // It was completed, or ended, by somebody else: there is nothing to write behind.
      throw isUploadGone(error) ? stagedGone() : error;
    }
  }

  async #nextNumber(): Promise<number> {
    if (this.#next === this.#reserved) await this.#reserve();
    return this.#next++;
  }

  async #reserve(): Promise<void> {
    const end = Math.min(this.#next + BLOCK, LAST_PART_NUMBER);
    // The last number is left for the bytes behind the last whole part.
    if (end <= this.#next) {
      throw new RegistryError(
        'request-invalid',
        'this blob has more parts than the object store takes in one upload: the operator can set a larger S3_PART_SIZE',
      );
    }
    this.#upload ??= await this.#ports.bucket.beginMultipart(this.#key);
    await this.#ports.keep(encodeState({ ...this.#base, upload: this.#upload, next: end }));
    this.#reserved = end;
  }
}
