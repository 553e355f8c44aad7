// Stores with changes and notes, made without a server, and readers of their feed.

import type { Change } from '../../src/feed/change.ts';
import type { Cursor } from '../../src/feed/cursor.ts';
import { ALL_CHANGES, type ChangeFilter } from '../../src/feed/feed.ts';
import { LogFeed } from '../../src/feed/log-feed.ts';
import { NotesLog } from '../../src/feed/notes/log.ts';
import { PROCESS_TIME } from '../../src/feed/pace.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import type { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { countingIncarnations, TestClock } from './deterministic.ts';
import { slotsOf, writeLog } from './slots.ts';

export const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

export function openNotes(driver: MemoryDriver, clock = new TestClock(), writer = 0): NotesLog {
  const newId = countingIncarnations(clock.now, writer);
  const snapshotFailed = (error: unknown): never => {
    throw error;
  };
  return new NotesLog({ driver, newId, now: clock.now, sleep: clock.sleep, node: `node${writer}`, snapshotFailed });
}

/** A feed whose readers never wait. */
export function openFeed(driver: MemoryDriver, store = STORE): LogFeed {
  const lookFailed = (error: unknown): never => {
    throw error;
  };
  return new LogFeed({ driver, store, doorbell: { listen: () => () => {} }, time: PROCESS_TIME, lookFailed });
}

/** Tags that move: one slot each. */
export function tagEvents(count: number, from = 0): JournalEvent[][] {
  return Array.from({ length: count }, (_, index) => [
    { type: 'tag.set', tag: `t${from + index}`, digest: `sha256:${'a'.repeat(64)}` } as JournalEvent,
  ]);
}

export async function writeRepository(
  driver: MemoryDriver,
  repo: string,
  batches: readonly (readonly JournalEvent[])[],
): Promise<void> {
  await writeLog(driver, slotsOf(batches, repo as RepositoryName));
}

export function hints(all: Readonly<Record<string, number>>): ReadonlyMap<RepositoryName, number> {
  return new Map(Object.entries(all) as [RepositoryName, number][]);
}

/** Everything after a cursor, page by page. */
export async function readAll(
  feed: LogFeed,
  from: Cursor,
  { limit = 3, filter = ALL_CHANGES }: { readonly limit?: number; readonly filter?: ChangeFilter } = {},
): Promise<{ readonly changes: readonly Change[]; readonly cursors: readonly Cursor[]; readonly end: Cursor }> {
  const changes: Change[] = [];
  const cursors: Cursor[] = [];
  for (let cursor = from; ; ) {
    const page = await feed.page(cursor, { filter, limit, signal: new AbortController().signal });
    changes.push(...page.changes);
    cursors.push(...page.changes.map((_, index) => page.cursorAfter(index)));
    ({ cursor } = page);
    if (!page.more) return { changes, cursors, end: cursor };
  }
}
