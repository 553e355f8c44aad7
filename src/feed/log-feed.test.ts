import { beforeEach, describe, expect, spyOn, test } from 'bun:test';
import { setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { TestClock } from '../../test/support/deterministic.ts';
import { hints, openFeed, openNotes, readAll, STORE, tagEvents, writeRepository } from '../../test/support/feed.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { noteKey, slotKey } from '../storage/paths.ts';
import type { ChangeType } from './change.ts';
import { type Cursor, CursorCodec, checkOf } from './cursor.ts';
import type { LogFeed } from './log-feed.ts';
import type { NotesLog } from './notes/log.ts';
import { NotesReader } from './notes/reader.ts';

const SIGNAL = new AbortController().signal;

let objects: Map<string, Uint8Array>;
let driver: MemoryDriver;
let clock: TestClock;
let notes: NotesLog;
let feed: LogFeed;

beforeEach(() => {
  objects = new Map();
  driver = new MemoryDriver(objects);
  clock = new TestClock();
  notes = openNotes(driver, clock);
  feed = openFeed(driver);
});

async function idsFrom(from: Cursor, limit = 3): Promise<string[]> {
  return (await readAll(feed, from, { limit })).changes.map(({ id }) => id);
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
  return 'none';
}

describe('promises', () => {
  test('changes of a repository come in their order, each once; the same change has the same id for ever', async () => {
    await writeRepository(driver, 'a', tagEvents(5));
    await writeRepository(driver, 'b', tagEvents(2));
    await notes.append(hints({ a: 2, b: 1 }));
    await notes.append(hints({ a: 5 }));
    await notes.append(hints({ b: 2 }));
    const expected = ['a@1.0', 'a@2.0', 'b@1.0', 'a@3.0', 'a@4.0', 'a@5.0', 'b@2.0'];
    for (const limit of [1, 2, 3, 100])
      expect(await idsFrom(await feed.start({ kind: 'beginning' }), limit)).toEqual(expected);
  });

  test('replay from any cursor gives the changes after it, whatever the size of pages', async () => {
    const log = fc.array(
      fc.record({
        repo: fc.constantFrom('a', 'b', 'c'),
        slots: fc.integer({ min: 1, max: 4 }),
        events: fc.integer({ min: 1, max: 3 }),
      }),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        log,
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        async (grown, first, second) => {
          const store = new MemoryDriver();
          const written = openNotes(store);
          const reader = openFeed(store);
          const slots = new Map<string, number[]>();
          for (const { repo, slots: more, events } of grown) {
            const all = [...(slots.get(repo) ?? []), ...Array.from({ length: more }, () => events)];
            slots.set(repo, all);
          }
          for (const [repo, sizes] of slots) {
            await writeRepository(
              store,
              repo,
              sizes.map((size, index) => tagEvents(size, 10 * index).flat()),
            );
          }
          const reached = new Map<string, number>();
          for (const { repo, slots: more } of grown) {
            reached.set(repo, (reached.get(repo) ?? 0) + more);
            await written.append(hints(Object.fromEntries(reached)));
          }
          const { changes, cursors } = await readAll(reader, await reader.start({ kind: 'beginning' }), {
            limit: first,
          });
          const ids = changes.map(({ id }) => id);
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids.length).toBe([...slots.values()].flat().reduce((sum, size) => sum + size, 0));
          for (const [index, cursor] of cursors.entries()) {
            const again = await readAll(openFeed(store), cursor, { limit: second });
            expect(again.changes.map(({ id }) => id)).toEqual(ids.slice(index + 1));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a change that is noted later than a cursor was given out comes after it', async () => {
    await writeRepository(driver, 'a', tagEvents(3));
    await notes.append(hints({ a: 1 }));
    const now = await feed.start({ kind: 'now' });
    expect(await idsFrom(now)).toEqual([]);
    await notes.append(hints({ a: 3 }));
    expect(await idsFrom(now)).toEqual(['a@2.0', 'a@3.0']);
  });

  test('a cursor survives everything but another history', async () => {
    await writeRepository(driver, 'a', tagEvents(4));
    await notes.append(hints({ a: 2 }));
    const { end, cursors } = await readAll(feed, await feed.start({ kind: 'beginning' }));
    const [middle] = cursors;
    if (middle === undefined) throw new Error('there is no change');
    await notes.append(hints({ a: 4 }));
    feed = openFeed(driver);
    expect(await idsFrom(end)).toEqual(['a@3.0', 'a@4.0']);
    expect(await idsFrom(middle)).toEqual(['a@2.0', 'a@3.0', 'a@4.0']);
    // A copy of the store that is older than the cursor, and one that went on in another way.
    for (const key of [noteKey(1), noteKey(2)]) objects.delete(key);
    feed = openFeed(driver);
    expect(await refusalOf(feed.start({ kind: 'cursor', text: end }))).toBe('cursor-unknown');
    await openNotes(driver, clock, 1).append(hints({ a: 1 }));
    for (const cursor of [end, middle]) {
      expect(await refusalOf(openFeed(driver).start({ kind: 'cursor', text: cursor }))).toBe('cursor-unknown');
      expect(
        await refusalOf(
          openFeed(driver).page(cursor, {
            filter: { includes: () => true, types: undefined },
            limit: 1,
            signal: SIGNAL,
          }),
        ),
      ).toBe('cursor-unknown');
    }
  });

  test('a cursor of another store is refused', async () => {
    const other = openFeed(new MemoryDriver(), '01ARZ3NDEKTSV4RRFFQ69G5FAW');
    const cursor = await other.start({ kind: 'now' });
    expect(await refusalOf(feed.start({ kind: 'cursor', text: cursor }))).toBe('cursor-invalid');
  });
});

describe('filters', () => {
  test('apply before pages are cut', async () => {
    await writeRepository(driver, 'a', tagEvents(4));
    await writeRepository(driver, 'b', [[{ type: 'repo.deleted' }, ...tagEvents(1).flat()]]);
    await notes.append(hints({ a: 4, b: 1 }));
    const page = await feed.page(await feed.start({ kind: 'beginning' }), {
      ...{ limit: 2, signal: SIGNAL },
      filter: { includes: (repo) => repo === 'b', types: undefined },
    });
    expect(page.changes.map(({ id }) => id)).toEqual(['b@1.0', 'b@1.1']);
    expect(page.more).toBe(false);
    const deleted = await feed.page(await feed.start({ kind: 'beginning' }), {
      ...{ limit: 2, signal: SIGNAL },
      filter: { includes: () => true, types: new Set(['repo.deleted']) },
    });
    expect(deleted.changes.map(({ id }) => id)).toEqual(['b@1.0']);
  });

  test('slots of repositories that are not included are not read', async () => {
    await writeRepository(driver, 'a', tagEvents(1));
    await notes.append(hints({ a: 1, private: 5 }));
    const page = await feed.page(await feed.start({ kind: 'beginning' }), {
      ...{ limit: 10, signal: SIGNAL },
      filter: { includes: (repo) => repo === 'a', types: undefined },
    });
    expect(page.changes.map(({ id }) => id)).toEqual(['a@1.0']);
  });

  test('fences of collections are no changes', async () => {
    await writeRepository(driver, 'a', [
      [{ type: 'gc.fence', epoch: '01ARZ3NDEKTSV4RRFFQ69G5FAV' as never }],
      ...tagEvents(1),
    ]);
    await notes.append(hints({ a: 2 }));
    expect(await idsFrom(await feed.start({ kind: 'beginning' }))).toEqual(['a@2.0']);
  });
});

describe('since a time', () => {
  test('nothing later is missing, and nothing much earlier comes', async () => {
    // slotsOf gives slot n the time EVENTS_BEGIN + n seconds; notes have the clock's time.
    await writeRepository(driver, 'a', tagEvents(400));
    const first = await readAll(feed, await feed.start({ kind: 'now' }));
    expect(first.changes).toEqual([]);
    const all: string[] = [];
    for (let to = 1; to <= 400; to++) {
      const slot = JSON.parse(new TextDecoder().decode(objects.get(slotKey('a' as RepositoryName, to))));
      clock.advance(Date.parse(slot.at) - clock.now());
      all.push(slot.at);
      await notes.append(hints({ a: to }));
    }
    for (const seq of [1, 2, 100, 399, 400]) {
      const at = Date.parse(all[seq - 1] ?? '');
      const { changes } = await readAll(feed, await feed.start({ kind: 'time', at }), { limit: 100 });
      const seqs = changes.map((change) => change.seq);
      expect(seqs.at(-1)).toBe(400);
      expect(seqs[0]).toBeLessThanOrEqual(seq);
      expect(seqs[0]).toBeGreaterThanOrEqual(seq - 5);
      expect(seqs).toEqual(Array.from({ length: 401 - (seqs[0] ?? 0) }, (_, index) => (seqs[0] ?? 0) + index));
    }
    const later = await feed.start({ kind: 'time', at: clock.now() + 3_600_000 });
    expect(await idsFrom(later)).toEqual([]);
    await writeRepository(driver, 'b', tagEvents(1));
    await notes.append(hints({ b: 1 }));
    // Whatever the clocks say: it was acknowledged after the cursor was given out.
    expect(await idsFrom(later)).toEqual(['b@1.0']);
  });
});

describe('damage', () => {
  test('a slot that a note names, but that is missing, is an error, not a gap', async () => {
    await writeRepository(driver, 'a', tagEvents(3));
    await notes.append(hints({ a: 3 }));
    objects.delete(slotKey('a' as RepositoryName, 2));
    const { changes, cursor } = await feed.page(await feed.start({ kind: 'beginning' }), {
      ...{ limit: 1, signal: SIGNAL },
      filter: { includes: () => true, types: undefined },
    });
    expect(changes.map(({ id }) => id)).toEqual(['a@1.0']);
    expect(await refusalOf(readAll(feed, cursor))).toBe('log-broken');
  });
});

describe('the latest changes', () => {
  /** Walks from the newest change to the first. */
  async function idsBackwards(reader: LogFeed, limit: number, types?: ReadonlySet<ChangeType>): Promise<string[]> {
    const ids: string[] = [];
    let before: Cursor | undefined;
    do {
      const filter = { includes: () => true, types };
      const page = await reader.latest({ before, filter, limit, signal: SIGNAL });
      ids.push(...page.changes.map(({ id }) => id));
      before = page.earlier;
    } while (before !== undefined);
    return ids;
  }

  test('are the whole feed backwards, whatever the size of pages', async () => {
    const growths = fc.array(
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 3 }), { minKeys: 1 }),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(growths, fc.integer({ min: 1, max: 6 }), async (grown, limit) => {
        const store = new MemoryDriver();
        const written = openNotes(store);
        const reader = openFeed(store);
        const heads: Record<string, number> = {};
        for (const growth of grown) {
          for (const [repo, more] of Object.entries(growth)) heads[repo] = (heads[repo] ?? 0) + more;
          for (const [repo, head] of Object.entries(heads)) await writeRepository(store, repo, tagEvents(head));
          await written.append(hints(heads));
        }
        const { changes } = await readAll(reader, await reader.start({ kind: 'beginning' }));
        const forwards = changes.map(({ id }) => id);
        expect(await idsBackwards(reader, limit)).toEqual(forwards.toReversed());
      }),
      { numRuns: 50 },
    );
  });

  test('are only those of the chosen types, and come with the place where to wait for newer ones', async () => {
    await writeRepository(driver, 'a', tagEvents(3));
    await notes.append(hints({ a: 3 }));
    expect(await idsBackwards(feed, 10, new Set(['repo.deleted']))).toEqual([]);
    const filter = { includes: () => true, types: undefined };
    const { now } = await feed.latest({ before: undefined, filter, limit: 1, signal: SIGNAL });
    expect(await idsFrom(now)).toEqual([]);
    await writeRepository(driver, 'b', tagEvents(1));
    await notes.append(hints({ b: 1 }));
    expect(await idsFrom(now)).toEqual(['b@1.0']);
  });
});

describe('a forged cursor', () => {
  test('whose place is not in its note is unknown', async () => {
    await writeRepository(driver, 'a', tagEvents(9));
    await notes.append(hints({ a: 3 }));
    await notes.append(hints({ a: 9 }));
    const reader = new NotesReader({ driver });
    const check = checkOf((await reader.hashOf(2)) ?? expect.unreachable());
    // Anyone can make these who knows the store.
    const at = (entry: number, seq: number, index: number): string =>
      new CursorCodec(STORE).encode({ position: { note: 2, entry, seq, index }, check, skip: undefined });
    expect(await idsFrom(await feed.start({ kind: 'cursor', text: at(0, 7, 0) }))).toEqual(['a@8.0', 'a@9.0']);
    for (const [entry, seq, index] of [
      [0, 1, 0],
      [0, 2, 0],
      [0, 9, 0],
      [0, 10, 0],
      [1, 4, 0],
      [2, 0, 0],
    ] as const)
      expect([entry, seq, await refusalOf(feed.start({ kind: 'cursor', text: at(entry, seq, index) }))]).toEqual([
        ...[entry, seq],
        'cursor-unknown',
      ]);
  });
});

describe('a reader that sees nothing', () => {
  const NOTES = 40;
  const REPOSITORIES = 600;

  /** Notes whose slots do not exist: reading one would be an error. */
  async function writeNotes(count: number, repositories: number): Promise<void> {
    const names = Array.from({ length: repositories }, (_, n) => `hidden/${String(n).padStart(4, '0')}`);
    for (let to = 1; to <= count; to++) await notes.append(hints(Object.fromEntries(names.map((name) => [name, to]))));
  }

  /** `performance.now` moves on by this many milliseconds with each repository that is examined. */
  async function withSlowFilter<T>(
    milliseconds: number,
    work: (includes: (repo: RepositoryName) => boolean) => Promise<T>,
  ): Promise<T> {
    let now = performance.now();
    const spy = spyOn(performance, 'now').mockImplementation(() => now);
    try {
      return await work(() => {
        now += milliseconds;
        return false;
      });
    } finally {
      spy.mockRestore();
    }
  }

  test('is asked once a page about each repository', async () => {
    await writeNotes(NOTES, 10);
    const start = await feed.start({ kind: 'beginning' });
    const asked: string[] = [];
    const includes = (repo: RepositoryName): boolean => {
      asked.push(repo);
      return false;
    };
    const options = { filter: { includes, types: undefined }, limit: 10, signal: SIGNAL };
    const page = await feed.page(start, options);
    expect([page.changes, page.more, asked.length]).toEqual([[], false, 10]);
    const latest = await feed.latest({ ...options, before: undefined });
    expect([latest.changes, latest.earlier, asked.length]).toEqual([[], undefined, 20]);
  });

  test('gets pages that end at their deadline, within a note too, and each of which gets further', async () => {
    await writeNotes(2, REPOSITORIES);
    await writeRepository(driver, 'public', tagEvents(1));
    await notes.append(hints({ public: 1 }));
    await withSlowFilter(30, async (slowly) => {
      const includes = (repo: RepositoryName): boolean => repo === 'public' || slowly(repo);
      const filter = { includes, types: undefined };
      const ids: string[] = [];
      let pages = 0;
      for (let cursor = await feed.start({ kind: 'beginning' }), more = true; more; pages++) {
        const page = await feed.page(cursor, { filter, limit: 10, signal: SIGNAL });
        ids.push(...page.changes.map(({ id }) => id));
        ({ cursor, more } = page);
      }
      // 256 repositories take 7.7 s.
      expect([ids, pages]).toEqual([['public@1.0'], 5]);
      let before: Cursor | undefined;
      let earlierPages = 0;
      const earlierIds: string[] = [];
      do {
        const page = await feed.latest({ before, filter, limit: 10, signal: SIGNAL });
        earlierIds.push(...page.changes.map(({ id }) => id));
        before = page.earlier;
        earlierPages++;
      } while (before !== undefined);
      expect([earlierIds, earlierPages]).toEqual([['public@1.0'], 5]);
    });
  });

  test('gets pages that end between two notes', async () => {
    await writeNotes(NOTES, 1);
    await withSlowFilter(6_000, async (includes) => {
      // Memory for names does not help here: each page asks again.
      const options = { filter: { includes, types: undefined }, limit: 10, signal: SIGNAL };
      const page = await feed.page(await feed.start({ kind: 'beginning' }), options);
      expect([page.changes, page.more]).toEqual([[], true]);
      const latest = await feed.latest({ ...options, before: undefined });
      expect([latest.changes, typeof latest.earlier]).toEqual([[], 'string']);
    });
  });

  test('leaves other requests their turns', async () => {
    await writeNotes(2, REPOSITORIES);
    const start = await feed.start({ kind: 'beginning' });
    const busily = (): boolean => {
      for (const until = performance.now() + 0.1; performance.now() < until; );
      return false;
    };
    const options = { filter: { includes: busily, types: undefined }, limit: 10, signal: SIGNAL };
    for (const read of [() => feed.page(start, options), () => feed.latest({ ...options, before: undefined })]) {
      let isDone = false;
      let turns = 0;
      const others = (async () => {
        for (; !isDone; turns++) await immediate();
      })();
      await read();
      isDone = true;
      await others;
      // It is busy for 60 ms: 256 repositories for 26 ms.
      expect(turns).toBeGreaterThan(2);
    }
  });

  test('leaves other requests their turns however many pages are read at once', async () => {
    await writeNotes(1, REPOSITORIES);
    const start = await feed.start({ kind: 'beginning' });
    const busily = (): boolean => {
      for (const until = performance.now() + 0.1; performance.now() < until; );
      return false;
    };
    const options = { filter: { includes: busily, types: undefined }, limit: 10, signal: SIGNAL };
    let isDone = false;
    let turns = 0;
    const others = (async () => {
      for (; !isDone; turns++) await immediate();
    })();
    const pages = Array.from({ length: 40 }, () => feed.page(start, options));
    await Promise.all(pages);
    isDone = true;
    await others;
    // Each page is busy for 30 ms: 256 repositories for 26 ms.
    expect(turns).toBeGreaterThan(pages.length);
  });

  test('can be stopped', async () => {
    await writeNotes(2, REPOSITORIES);
    const start = await feed.start({ kind: 'beginning' });
    const stop = new AbortController();
    let asked = 0;
    const includes = (): boolean => {
      if (++asked === 10) stop.abort(new Error('stopped'));
      return false;
    };
    const options = { filter: { includes, types: undefined }, limit: 10, signal: stop.signal };
    await expect(feed.page(start, options)).rejects.toThrow('stopped');
    expect(asked).toBeLessThan(REPOSITORIES);
  });
});
