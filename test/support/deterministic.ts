// A clock, names and a faulty driver that the test controls, so that each run is the same.
import { encodeTime } from 'ulid';
import type { Incarnation, UploadId } from '../../src/oci/names.ts';
import type { CreateResult, Key, WrittenObject } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';

/** Time passes only when the test advances it, or during a sleep. */
export class TestClock {
  #milliseconds: number;

  constructor(start = Date.UTC(2030, 0, 1)) {
    this.#milliseconds = start;
  }

  readonly now = (): number => this.#milliseconds;

  readonly sleep = async (milliseconds: number): Promise<void> => {
    this.#milliseconds += milliseconds;
  };

  advance(milliseconds: number): void {
    this.#milliseconds += milliseconds;
  }
}

/** ULIDs with the clock's time and a counter; `writer` separates those of two writers. */
export function countingIncarnations(now: () => number, writer = 0): () => Incarnation {
  let count = 0;
  return () => {
    count++;
    return `${encodeTime(now(), 10)}${String(writer).padStart(4, '0')}${String(count).padStart(12, '0')}` as Incarnation;
  };
}

export function countingUploadIds(): () => UploadId {
  let count = 0;
  return () => {
    count++;
    return `00000000-0000-4000-8000-${count.toString(16).padStart(12, '0')}` as UploadId;
  };
}

/** The fault of one call of `create`. */
export type Fault = 'none' | 'before writing' | 'after writing';

/** A memory driver whose `create` sometimes fails without an answer. */
export class FaultyDriver extends MemoryDriver {
  /** Keys for which `create` was called, in order. */
  readonly created: Key[] = [];
  readonly #fault: (key: Key) => Fault;

  constructor(fault: (key: Key) => Fault) {
    super();
    this.#fault = fault;
  }

  override async create(key: Key, bytes: Uint8Array, named?: readonly WrittenObject[]): Promise<CreateResult> {
    this.created.push(key);
    const fault = this.#fault(key);
    if (fault === 'before writing') throw new Error('no answer, nothing was written');
    const result = await super.create(key, bytes, named);
    if (fault === 'after writing') throw new Error('no answer, though it was written');
    return result;
  }
}
