import TinyQueue from 'tinyqueue';
import { forEachConcurrently } from '../../collection/concurrently.ts';
import type { AuditedLog, AuditedSlot } from './audited-log.ts';
import { nameOfLog } from './audited-log.ts';
import { type CursorPorts, firstSlotSince, LogCursor } from './log-cursor.ts';

const CONCURRENT_READS = 16;

export interface AuditEntry {
  readonly log: AuditedLog;
  readonly slot: AuditedSlot;
}

/** Reads several logs together. It needs a few hundred bytes of memory per log, and what `CursorPorts.budget` allows for slots. */
export class MergedLogs {
  readonly #ports: CursorPorts;
  readonly #since: number;
  readonly #cursors = new Map<string, LogCursor>();
  /** The log that `poll` reads next. */
  #turn = 0;

  /** @param since milliseconds since 1970; earlier slots are skipped where possible */
  constructor(ports: CursorPorts, since: number) {
    this.#ports = ports;
    this.#since = since;
  }

  get size(): number {
    return this.#cursors.size;
  }

  /** The slots of these logs, ordered by time, up to the current end of each log. */
  async *read(logs: AsyncIterable<AuditedLog>): AsyncGenerator<AuditEntry> {
    const waiting: LogCursor[] = [];
    await forEachConcurrently(logs, CONCURRENT_READS, async (log) => {
      const name = keyOf(log);
      if (this.#cursors.has(name)) return;
      const from = this.#since <= 0 ? 1 : await firstSlotSince(this.#ports.reader, log, this.#since);
      const cursor = new LogCursor(log, from, this.#ports);
      this.#cursors.set(name, cursor);
      if (await cursor.advance()) waiting.push(cursor);
    });
    yield* merge(waiting);
  }

  /** New slots of the next logs, ordered by time. Logs take turns. @param max number of logs */
  async *poll(max: number): AsyncGenerator<AuditEntry> {
    const cursors = [...this.#cursors.values()];
    const turns = Array.from({ length: Math.min(max, cursors.length) }, () => this.#turn++);
    const polled = turns.flatMap((turn) => cursors[turn % cursors.length] ?? []);
    const waiting: LogCursor[] = [];
    await forEachConcurrently(polled, CONCURRENT_READS, async (cursor) => {
      if (await cursor.advance()) waiting.push(cursor);
    });
    yield* merge(waiting);
  }
}

/** @param cursors each of which has advanced to a slot */
async function* merge(cursors: LogCursor[]): AsyncGenerator<AuditEntry> {
  const waiting = new TinyQueue(cursors, inTime);
  for (let cursor = waiting.pop(); cursor !== undefined; cursor = waiting.pop()) {
    yield { log: cursor.log, slot: await cursor.take() };
    if (await cursor.advance()) waiting.push(cursor);
  }
}

/** Slots with the same time are ordered by log name, so that every run gives the same order. */
function inTime(one: LogCursor, other: LogCursor): number {
  if (one.time !== other.time) return one.time - other.time;
  return nameOfLog(one.log) < nameOfLog(other.log) ? -1 : 1;
}

/** No name of a repository begins with a slash. */
function keyOf(log: AuditedLog): string {
  return log.kind === 'robots' ? '/robots' : log.repo;
}
