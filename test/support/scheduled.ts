// A store whose responses come in the order of fast-check's scheduler, which tries all orders.
import type fc from 'fast-check';
import type { CreateResult, Key, ListedObject, PutOptions, WrittenObject } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import type { Fault } from './deterministic.ts';

export class ScheduledDriver extends MemoryDriver {
  readonly #scheduler: fc.Scheduler;
  readonly #fault: () => Fault;

  /** @param fault gives the fault of the next `create` */
  constructor(scheduler: fc.Scheduler, fault: () => Fault = () => 'none') {
    super();
    this.#scheduler = scheduler;
    this.#fault = fault;
  }

  override async create(key: Key, bytes: Uint8Array, named?: readonly WrittenObject[]): Promise<CreateResult> {
    const fault = this.#fault();
    await this.#turn(`create ${key}`);
    if (fault === 'before writing') throw new Error('no answer, nothing was written');
    const result = await super.create(key, bytes, named);
    await this.#turn(`answer ${key}`);
    if (fault === 'after writing') throw new Error('no answer, though it was written');
    return result;
  }

  override async write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    await this.#turn(`write ${key}`);
    const written = await super.write(key, bytes);
    const durable = written.settle().then(() => this.#turn(`sync ${key}`));
    return { settle: () => durable };
  }

  override async put(key: Key, bytes: Uint8Array, _options?: PutOptions): Promise<void> {
    await this.#turn(`put ${key}`);
    await super.put(key, bytes);
  }

  override async read(key: Key): Promise<Uint8Array | undefined> {
    await this.#turn(`read ${key}`);
    return super.read(key);
  }

  override async head(key: Key): Promise<{ readonly size: number } | undefined> {
    await this.#turn(`head ${key}`);
    return super.head(key);
  }

  override async *list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    await this.#turn(`list ${prefix}`);
    yield* super.list(prefix, after);
  }

  #turn(what: string): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve(), what);
  }
}
