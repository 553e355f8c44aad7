import type { Algorithm } from '../../src/oci/digest.ts';
import type { Digest, Incarnation } from '../../src/oci/names.ts';
import type {
  CreateResult,
  DeleteFailure,
  Key,
  ListedObject,
  StagedPlace,
  StagedWrite,
  StorageDriver,
  StoredObject,
  WrittenObject,
} from '../../src/storage/driver.ts';
import type { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { settleAll } from '../../src/storage/not-durable.ts';
import { NoAnswer } from '../../src/storage/s3/failures.ts';
import type { Machine } from './machine.ts';
import type { NodeEnvironment } from './node.ts';
import type { Random } from './random.ts';
import { stepOf } from './steps.ts';

/** After how many milliseconds the sender of a lost request notices the broken connection. */
const BREAKS_AFTER_MS = 400;
/** The share of lost requests of a thread for a slot that are carried out later, and the latest time of that. */
const LATE = 0.3;
const LATEST_MS = 25_000;
/** The share of answers that arrive immediately; the others take time. */
const AT_ONCE = 0.8;

/** One node's store without an S3 client: requests and answers may arrive late or never. */
export class ObjectsDriver implements StorageDriver {
  readonly kind = 'objects';
  readonly #machine: Machine;
  readonly #environment: NodeEnvironment;
  readonly #random: Random;
  readonly #store: MemoryDriver;

  constructor(machine: Machine, environment: NodeEnvironment, random: Random) {
    this.#machine = machine;
    this.#environment = environment;
    this.#random = random;
    this.#store = environment.memory;
  }

  async create(key: Key, bytes: Uint8Array, named: readonly WrittenObject[] = []): Promise<CreateResult> {
    await settleAll(named);
    return await this.#ask(stepOf('create', key), () => this.#store.create(key, bytes));
  }

  async write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    const durable = this.put(key, bytes);
    // Callers that await it get the failure, and others do not depend on it.
    durable.catch(() => undefined);
    return { settle: () => durable };
  }

  put(key: Key, bytes: Uint8Array): Promise<void> {
    return this.#ask(stepOf('write', key), () => this.#store.put(key, bytes));
  }

  read(key: Key): Promise<Uint8Array | undefined> {
    return this.#ask(stepOf('read', key), () => this.#store.read(key));
  }

  open(key: Key): Promise<StoredObject | undefined> {
    return this.#ask(stepOf('read', key), () => this.#store.open(key));
  }

  head(key: Key): Promise<{ readonly size: number } | undefined> {
    return this.#ask(stepOf('head', key), () => this.#store.head(key));
  }

  async delete(keys: readonly Key[]): Promise<readonly DeleteFailure[]> {
    try {
      return await this.#ask(stepOf('delete', keys[0] ?? ''), () => this.#store.delete(keys));
    } catch (cause) {
      return keys.map((key) => ({ key, cause }));
    }
  }

  deleteAll(prefix: Key): Promise<void> {
    return this.#ask(stepOf('delete', prefix), () => this.#store.deleteAll(prefix));
  }

  async *list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    yield* await this.#ask(stepOf('list', prefix), () => Array.fromAsync(this.#store.list(prefix, after)));
  }

  async confirm(): Promise<void> {}

  async stage(...args: Parameters<StorageDriver['stage']>): Promise<StagedWrite> {
    const write = await this.#ask('stage', () => this.#store.stage(...args));
    return { ...write, settle: () => this.#ask('settle', () => write.settle()) };
  }

  takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace> {
    return this.#ask('take over', () => this.#store.takeOver(place, size, inc));
  }

  digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    return this.#ask('digest', () => this.#store.digestStaged(place, size, algorithm));
  }

  commit(place: StagedPlace, size: number): Promise<boolean> {
    return this.#ask('commit', () => this.#store.commit(place, size));
  }

  discard(place: StagedPlace): Promise<void> {
    return this.#ask('discard', () => this.#store.discard(place));
  }

  async close(): Promise<void> {}

  async #ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { network, scheduler, happened } = this.#environment;
    const machine = this.#machine;
    happened(`sending ${what}`, machine);
    // A process that is now paused has not sent it yet.
    if (machine.isHanging) await machine.sleep(0);
    const { there, back, refused } = network.toStore();
    return await new Promise((resolve, reject) => {
      const answer = (milliseconds: number, deliver: () => void) => scheduler.after(milliseconds, deliver, machine);
      const broken = () => reject(new NoAnswer(what, new Error('the connection broke')));
      const isGone = (): boolean => this.#environment.process !== undefined && machine.isDead;
      if (there === undefined || refused) {
        answer(BREAKS_AFTER_MS, broken);
        // In one process, the thread that owns the store may create a slot long after another has given it up.
        if (this.#environment.process === undefined || what !== 'slot' || !this.#random.chance(LATE)) return;
        scheduler.after(this.#random.between(BREAKS_AFTER_MS, LATEST_MS), () => {
          if (!isGone()) void work();
        });
        return;
      }
      const isQuick = this.#random.chance(AT_ONCE);
      const done = (value: T): void => {
        happened(what, machine);
        if (back === undefined) answer(BREAKS_AFTER_MS, broken);
        else if (isQuick && !machine.isHanging && !machine.isDead) resolve(value);
        else answer(back, () => resolve(value));
      };
      scheduler.after(there, () => {
        // A request of a thread to its own process ends with both.
        if (isGone()) return;
        void work().then(done, (error: unknown) => answer(0, () => reject(error)));
      });
    });
  }
}
