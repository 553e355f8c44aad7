import { z } from 'zod';
import type { UploadId } from '../oci/names.ts';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { sessionLogPrefix, sessionSlotKey } from '../storage/paths.ts';
import { decodeRecord, sessionRecord } from './session-record.ts';

const VERSION = 1;
/** How many times the head is read if its slot is deleted between listing and reading it. */
const MAX_HEAD_READS = 5;

/** The content of one slot of a session's log. */
const entrySchema = z
  .object({
    v: z.literal(VERSION),
    /** undefined once the session ended. */
    session: sessionRecord.optional(),
    /** The token of the lease that wrote the slot, so that no two writers write the same bytes. */
    by: z.string(),
    /** When that lease expires, in milliseconds; undefined once it is released. */
    until: z.number().optional(),
    /** An earlier holder never released its lease, and may still be writing where the session's bytes are staged. */
    contested: z.boolean(),
  })
  .transform(({ v: _, ...entry }) => entry);

export type LogEntry = z.infer<typeof entrySchema>;

export interface LogHead {
  readonly seq: number;
  /** Number of slots, including the head. */
  readonly slots: number;
  readonly entry: LogEntry;
}

/**
 * One session's record, as a small log: creating the next slot is a compare-and-swap. Slots below the head may be deleted, so a
 * writer whose `create` succeeded must check that no later slot exists.
 */
export class SessionLog {
  readonly #driver: ObjectStore;
  readonly #id: UploadId;

  constructor(driver: ObjectStore, id: UploadId) {
    this.#driver = driver;
    this.#id = id;
  }

  /** The newest slot; undefined if nothing was ever written. @throws Error if the newest slot cannot be decoded */
  head(): Promise<LogHead | undefined> {
    return readHead(this.#id, this.#driver);
  }

  /**
   * Writes the slot after `seq`. `again`: that slot holds an earlier write of the same lease whose answer was lost, and the caller
   * must append after it.
   */
  async append(seq: number, entry: LogEntry): Promise<'appended' | 'again' | 'overtaken'> {
    const key = sessionSlotKey(this.#id, seq + 1);
    const answer = await this.#create(key, entry);
    if (answer !== 'appended') return answer;
    return (await slotsOf(this.#id, this.#driver, key)).length === 0 ? 'appended' : 'overtaken';
  }

  /** Deletes the slots below the head. */
  async trim(head: number): Promise<void> {
    const old = (await slotsOf(this.#id, this.#driver)).filter((key) => seqOf(key) < head);
    throwFailure(await this.#driver.delete(old));
  }

  /** Both an error and `taken` may mean that an earlier attempt has stored exactly these bytes. */
  async #create(key: Key, entry: LogEntry): Promise<'appended' | 'again' | 'overtaken'> {
    const bytes = new TextEncoder().encode(JSON.stringify({ v: VERSION, ...entry }));
    let cause: unknown;
    try {
      if ((await this.#driver.create(key, bytes)) === 'created') return 'appended';
    } catch (error) {
      cause = error;
    }
    const stored = await this.#driver.read(key);
    if (stored === undefined) {
      if (cause !== undefined) throw cause;
      // Another writer created the slot, and it has been trimmed since.
      return 'overtaken';
    }
    if (Buffer.compare(stored, bytes) === 0) return 'appended';
    return decode(stored)?.by === entry.by ? 'again' : 'overtaken';
  }
}

/** Like `SessionLog.head`, with read access only. */
export async function readHead(id: UploadId, driver: Pick<StoreReader, 'list' | 'read'>): Promise<LogHead | undefined> {
  for (let attempt = 0; attempt < MAX_HEAD_READS; attempt++) {
    const keys = await slotsOf(id, driver);
    const last = keys.at(-1);
    if (last === undefined) return undefined;
    const bytes = await driver.read(last);
    if (bytes === undefined) continue;
    const entry = decode(bytes);
    if (entry === undefined) throw new Error(`the newest record of the upload ${id} cannot be read`);
    return { seq: seqOf(last), slots: keys.length, entry };
  }
  throw new Error(`the record of the upload ${id} changes faster than it can be read`);
}

async function slotsOf(id: UploadId, driver: Pick<StoreReader, 'list'>, after?: Key): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const { key } of driver.list(sessionLogPrefix(id), after)) keys.push(key);
  return keys;
}

function decode(bytes: Uint8Array): LogEntry | undefined {
  return decodeRecord(entrySchema, new TextDecoder().decode(bytes));
}

function seqOf(key: Key): number {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

function throwFailure(failures: readonly { readonly cause: unknown }[]): void {
  const [failure] = failures;
  if (failure !== undefined) throw failure.cause;
}
