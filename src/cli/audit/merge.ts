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

/** Logs that are read together. Memory: some hundred bytes a log, and the slots that `CursorPorts.held` allows. */
export class MergedLogs {
  readonly #ports: CursorPorts;
  readonly #since: number;
  readonly #cursors = new Map<string, LogCursor>();
  /** Which log is read next when none has a slot waiting. */
  #turn = 0;

  /** @param since milliseconds: earlier slots need not be read */
  constructor(ports: CursorPorts, since: number) {
    this.#ports = ports;
    this.#since = since;
  }

  get size(): number {
    return this.#cursors.size;
  }

  /** The slots of these logs in the order of their times, up to the present end of each. */
  async *read(logs: AsyncIterable<AuditedLog>): AsyncGenerator<AuditEntry> {
    const waiting = new TinyQueue<LogCursor>([], inTime);
    await forEachConcurrently(logs, CONCURRENT_READS, async (log) => {
      const name = keyOf(log);
      if (this.#cursors.has(name)) return;
      const from = this.#since <= 0 ? 1 : await firstSlotSince(this.#ports.reader, log, this.#since);
      const cursor = new LogCursor(log, from, this.#ports);
      this.#cursors.set(name, cursor);
      if (await cursor.advance()) waiting.push(cursor);
    });
    for (let cursor = waiting.pop(); cursor !== undefined; cursor = waiting.pop()) {
      yield { log: cursor.log, slot: await cursor.take() };
      if (await cursor.advance()) waiting.push(cursor);
    }
  }

  /** Looks for new slots in the next few logs, one after the other. @param most reads of logs without new slots */
  async *poll(most: number): AsyncGenerator<AuditEntry> {
    const cursors = [...this.#cursors.values()];
    for (let n = 0; n < Math.min(most, cursors.length); n++) {
      const cursor = cursors[this.#turn++ % cursors.length];
      while (cursor !== undefined && (await cursor.advance())) yield { log: cursor.log, slot: await cursor.take() };
    }
  }
}

/** Logs of the same time in the order of their names, so that every run is the same. */
function inTime(one: LogCursor, other: LogCursor): number {
  if (one.time !== other.time) return one.time - other.time;
  return nameOfLog(one.log) < nameOfLog(other.log) ? -1 : 1;
}

/** No name of a repository begins with a slash. */
function keyOf(log: AuditedLog): string {
  return log.kind === 'robots' ? '/robots' : log.repo;
}
