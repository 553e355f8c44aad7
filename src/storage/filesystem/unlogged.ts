import { rm } from 'node:fs/promises';
import { RegistryError } from '../../oci/errors.ts';
import type { CreateResult, Key, WrittenObject } from '../driver.ts';
import { settleAll } from '../not-durable.ts';
import type { ObjectLog } from './ports.ts';
import type { ObjectRecord } from './wal/record.ts';

/** Objects of at most this many bytes are logged together with the one that refers to them, so that no step of the log is large. */
const MAX_TOGETHER_BYTES = 1024 * 1024;

type State =
  | { readonly kind: 'written' }
  | { readonly kind: 'logging'; readonly done: Promise<void> }
  | { readonly kind: 'durable' }
  /** The file is removed, or could not be. */
  | { readonly kind: 'failed'; readonly reason: unknown };

const WRITTEN: State = { kind: 'written' };
const DURABLE: State = { kind: 'durable' };

export interface UnloggedPorts {
  readonly log: Pick<ObjectLog, 'append'>;
  readonly pathOf: (key: Key) => string;
}

/**
 * A small object that has its file, but no record in the write-ahead log yet. It is logged alone, or together with the object that refers
 * to it: then both wait for the disk once.
 */
export class UnloggedObject implements WrittenObject {
  readonly record: ObjectRecord;
  readonly #ports: UnloggedPorts;
  #state: State = WRITTEN;

  /** @param bytes must not change until the object is durable */
  constructor(key: Key, bytes: Uint8Array, ports: UnloggedPorts) {
    this.record = { kind: 'object', key, bytes };
    this.#ports = ports;
  }

  /** Whether no call has begun to log it. */
  get isUnlogged(): boolean {
    return this.#state.kind === 'written';
  }

  async settle(): Promise<void> {
    for (;;) {
      const state = this.#state;
      switch (state.kind) {
        case 'written':
          this.#enter(this.#log());
          break;
        case 'logging':
          await state.done;
          break;
        case 'durable':
          return;
        case 'failed':
          throw state.reason;
      }
    }
  }

  /** To be called when the record is about to be logged with that of another object. @param created of `createNaming` */
  follow(created: Promise<CreateResult>): void {
    this.#enter(
      created.then(
        (result) => (result === 'created' ? DURABLE : WRITTEN),
        // After any other error the creation is tried again, with this record.
        (error: unknown) => (error instanceof RegistryError ? this.#remove(error) : WRITTEN),
      ),
    );
  }

  /** @param next never rejects */
  #enter(next: Promise<State>): void {
    const done = next.then((state) => {
      this.#state = state;
    });
    this.#state = { kind: 'logging', done };
  }

  async #log(): Promise<State> {
    try {
      await this.#ports.log.append(this.record);
      return DURABLE;
    } catch (error) {
      return await this.#remove(error);
    }
  }

  async #remove(reason: unknown): Promise<State> {
    try {
      await rm(this.#ports.pathOf(this.record.key), { force: true });
      return { kind: 'failed', reason };
    } catch (failure) {
      return { kind: 'failed', reason: failure };
    }
  }
}

/**
 * Creates an object that refers to others.
 * @param create gets the records that must be logged in one step with that of the object, before it. They count as logged only if it
 * returns `created`
 * @throws NotDurable if objects could not be made durable
 */
export async function createNaming(
  named: readonly WrittenObject[],
  create: (records: readonly ObjectRecord[]) => Promise<CreateResult>,
): Promise<CreateResult> {
  const together = fewUnlogged(named);
  if (together.size < named.length)
    await settleAll(named.filter((object) => !(object instanceof UnloggedObject && together.has(object))));
  const created = create([...together].map(({ record }) => record));
  for (const object of together) object.follow(created);
  try {
    return await created;
  } catch (error) {
    // Their commands are refused; the others may fit into the log.
    if (error instanceof RegistryError) await settleAll([...together]);
    throw error;
  }
}

function fewUnlogged(named: readonly WrittenObject[]): ReadonlySet<UnloggedObject> {
  const few = new Set<UnloggedObject>();
  let bytes = 0;
  for (const object of named) {
    if (!(object instanceof UnloggedObject) || !object.isUnlogged) continue;
    bytes += object.record.bytes.length;
    if (bytes > MAX_TOGETHER_BYTES) break;
    few.add(object);
  }
  return few;
}
