import { expect, test } from 'bun:test';
import { tagEvents, writeRepository } from '../../test/support/feed.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { sweepNotes } from './sweep.ts';

const FENCE: JournalEvent[] = [{ type: 'gc.fence', epoch: '01ARZ3NDEKTSV4RRFFQ69G5FAV' as never }];

async function sweep(
  logs: Readonly<Record<string, JournalEvent[][]>>,
  noted: Readonly<Record<string, number>>,
  shown: Readonly<Record<string, number>>,
): Promise<{ readonly hints: Record<string, number>; readonly asked: string[] }> {
  const driver = new MemoryDriver();
  for (const [repo, batches] of Object.entries(logs)) await writeRepository(driver, repo, batches);
  const found: Record<string, number> = {};
  const asked: string[] = [];
  await sweepNotes(
    {
      driver,
      reached: new Map(Object.entries(noted) as [RepositoryName, number][]),
      newest: async (repo) => {
        asked.push(repo);
        return { seq: shown[repo] ?? 0 };
      },
      hint: (repo, seq) => {
        found[repo] = seq;
      },
    },
    new AbortController().signal,
  );
  return { hints: found, asked };
}

test('a sweep finds slots that no note names, and asks views only about those', async () => {
  const logs = { known: tagEvents(3), behind: tagEvents(5), new: tagEvents(2) };
  const { hints, asked } = await sweep(logs, { known: 3, behind: 1 }, { known: 3, behind: 5, new: 2 });
  expect(hints).toEqual({ behind: 5, new: 2 });
  expect(asked.sort()).toEqual(['behind', 'new']);
});

test('a slot that no view shows yet is left for later: what the feed has shown, no answer may be without', async () => {
  expect((await sweep({ a: tagEvents(3) }, { a: 2 }, { a: 2 })).hints).toEqual({});
});

test('fences are noted though views do not show them', async () => {
  const logs = { a: [...tagEvents(2), FENCE, FENCE], b: [...tagEvents(1), FENCE, ...tagEvents(1)] };
  expect((await sweep(logs, { a: 2, b: 1 }, { a: 2, b: 1 })).hints).toEqual({ a: 4, b: 2 });
});
