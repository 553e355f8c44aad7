import { z } from 'zod';
import type { UploadId } from '../oci/names.ts';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { sessionLogPrefix, sessionSlotKey } from '../storage/paths.ts';
import { decodeRecord, sessionRecord } from './session-record.ts';

const VERSION = 1;
/** How often a head that was taken away between its listing and its reading is looked for again. */
const LOOKS = 5;

/** What one slot of a session's log says. */
const entrySchema = z
  .object({
    v: z.literal(VERSION),
    /** undefined once the session ended. */
    session: sessionRecord.optional(),
    /** The lease under which it was written: no two writers write the same bytes. */
    by: z.string(),
    /** Until when that lease holds, in milliseconds; undefined when it was given back. */
    until: z.number().optional(),
    /** An earlier holder did not let go, and the session is still where that one may be writing. */
    contested: z.boolean(),
  })
  .transform(({ v: _, ...entry }) => entry);

export type LogEntry = z.infer<typeof entrySchema>;

export interface LogHead {
  readonly seq: number;
  /** Slots there are, the head among them. */
  readonly slots: number;
  readonly entry: LogEntry;
}

/**
 * One session's record as a tiny log: to compare and swap is to `create` the next slot. Slots below the head may be taken away,
 * so whoever was the first to write one looks whether others came later.
 */
export class SessionLog {
  readonly #driver: ObjectStore;
  readonly #id: UploadId;

  constructor(driver: ObjectStore, id: UploadId) {
    this.#driver = driver;
    this.#id = id;
  }

  /** What is true now; undefined when nothing was ever written. @throws Error when the newest slot cannot be understood */
  head(): Promise<LogHead | undefined> {
    return readHead(this.#id, this.#driver);
  }

  /**
   * Writes the slot after `seq`. `again`: an earlier write of the same lease, whose answer was lost, is in that slot; whoever
   * wrote it goes on behind it.
   */
  async append(seq: number, entry: LogEntry): Promise<'appended' | 'again' | 'overtaken'> {
    const key = sessionSlotKey(this.#id, seq + 1);
    const answer = await this.#create(key, entry);
    if (answer !== 'appended') return answer;
    return (await slotsOf(this.#id, this.#driver, key)).length === 0 ? 'appended' : 'overtaken';
  }

  /** Takes away what is below the head. */
  async trim(head: number): Promise<void> {
    const old = (await slotsOf(this.#id, this.#driver)).filter((key) => seqOf(key) < head);
    throwFailure(await this.#driver.delete(old));
  }

  /** No answer and `taken` may both mean that these very bytes are there. */
  async #create(key: Key, entry: LogEntry): Promise<'appended' | 'again' | 'overtaken'> {
    const bytes = new TextEncoder().encode(JSON.stringify({ v: VERSION, ...entry }));
    let cause: unknown;
    try {
      if ((await this.#driver.create(key, bytes)) === 'created') return 'appended';
    } catch (error) {
      cause = error;
    }
    const there = await this.#driver.read(key);
    if (there === undefined) {
      if (cause !== undefined) throw cause;
      // It was somebody else's, and has been taken away since.
      return 'overtaken';
    }
    if (Buffer.compare(there, bytes) === 0) return 'appended';
    return decode(there)?.by === entry.by ? 'again' : 'overtaken';
  }
}

/** `SessionLog.head` for those who only look. */
export async function readHead(id: UploadId, driver: Pick<StoreReader, 'list' | 'read'>): Promise<LogHead | undefined> {
  for (let look = 0; look < LOOKS; look++) {
    const keys = await slotsOf(id, driver);
    const last = keys.at(-1);
    if (last === undefined) return undefined;
    const bytes = await driver.read(last);
    if (bytes === undefined) continue;
    const entry = decode(bytes);
    if (entry === undefined) throw new Error(`the newest record of the upload ${id} cannot be read`);
    return { seq: seqOf(last), slots: keys.length, entry };
  }
  throw new Error(`the record of the upload ${id} moves faster than it can be read`);
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
