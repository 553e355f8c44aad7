import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { countingIncarnations, type Fault, FaultyDriver, TestClock } from '../../../test/support/deterministic.ts';
import { hints, openNotes } from '../../../test/support/feed.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { NOTE_SNAPSHOTS, noteKey, noteSnapshotKey } from '../../storage/paths.ts';
import { NotesLog } from './log.ts';
import { readNote } from './note.ts';
import { NotesView } from './view.ts';

async function reachedIn(driver: MemoryDriver): Promise<Record<string, number>> {
  const view = new NotesView(driver);
  await view.refresh();
  return Object.fromEntries(view.reached);
}

describe('notes', () => {
  test('name each slot once, in order of repositories, and nothing that is noted already', async () => {
    const driver = new MemoryDriver();
    const log = openNotes(driver);
    await log.append(hints({ b: 2, a: 1 }));
    await log.append(hints({ b: 2, a: 1 }));
    await log.append(hints({ b: 1, a: 4 }));
    expect((await readNote(driver, 1))?.batch.events).toEqual([
      { type: 'log.grew', repo: 'a' as RepositoryName, from: 0, to: 1 },
      { type: 'log.grew', repo: 'b' as RepositoryName, from: 0, to: 2 },
    ]);
    expect((await readNote(driver, 2))?.batch.events).toEqual([
      { type: 'log.grew', repo: 'a' as RepositoryName, from: 1, to: 4 },
    ]);
    expect(await readNote(driver, 3)).toBeUndefined();
  });

  test('are never earlier than those before them, whatever the clock says', async () => {
    const driver = new MemoryDriver();
    const clock = new TestClock();
    await openNotes(driver, clock).append(hints({ a: 1 }));
    clock.advance(-60_000);
    await openNotes(driver, clock, 1).append(hints({ a: 2 }));
    const times = [(await readNote(driver, 1))?.batch.at, (await readNote(driver, 2))?.batch.at];
    expect(times[1]).toBe(times[0]);
  });

  test('are written in parts if there is much to note', async () => {
    const driver = new MemoryDriver();
    const log = openNotes(driver);
    const all = Object.fromEntries(
      Array.from({ length: 25_000 }, (_, index) => [`team/repository-${index}`, 1 + index]),
    );
    await log.append(hints(all));
    const left = log.beyond(hints(all)).size;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(25_000);
    while (log.beyond(hints(all)).size > 0) await log.append(hints(all));
    expect(await reachedIn(driver)).toEqual(all);
  });

  test('of several writers with faults name every slot once', async () => {
    const faults = fc.infiniteStream(fc.constantFrom<Fault>('none', 'none', 'before writing', 'after writing'));
    await fc.assert(
      fc.asyncProperty(
        faults,
        fc.array(fc.tuple(fc.nat(2), fc.constantFrom('a', 'b')), { maxLength: 20 }),
        async (stream, writes) => {
          const driver = new FaultyDriver(() => stream.next().value ?? 'none');
          const clock = new TestClock();
          const logs = [0, 1, 2].map((writer) => openNotes(driver, clock, writer));
          const reached: Record<string, number> = {};
          for (const [writer, repo] of writes) {
            reached[repo] = (reached[repo] ?? 0) + 1;
            await logs[writer]?.append(hints(reached));
          }
          // The fold refuses a note that does not go on where the ones before it ended.
          expect(await reachedIn(driver)).toEqual(reached);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('of writers that race for one slot both count', async () => {
    const driver = new MemoryDriver();
    const [one, two] = [openNotes(driver), openNotes(driver, new TestClock(), 1)];
    await Promise.all([one.append(hints({ a: 1, b: 1 })), two.append(hints({ a: 2 }))]);
    expect(await reachedIn(driver)).toEqual({ a: 2, b: 1 });
  });
});

describe('a snapshot', () => {
  test('makes a start cheap, and holds what the notes before it say', async () => {
    const driver = new MemoryDriver();
    const log = openNotes(driver);
    for (let seq = 1; seq <= 520; seq++) await log.append(hints({ a: seq, [`r${seq}`]: 1 }));
    const keys: string[] = [];
    for await (const { key } of driver.list(NOTE_SNAPSHOTS)) keys.push(key);
    expect(keys).toEqual([noteSnapshotKey(512)]);
    const read: string[] = [];
    const counting = {
      list: driver.list.bind(driver),
      read: async (key: string) => {
        read.push(key);
        return await driver.read(key);
      },
    };
    const view = new NotesView(counting);
    await view.refresh();
    expect(view.reached).toEqual(log.view.reached);
    expect(view.hash).toBe(log.view.hash);
    expect(read).not.toContain(noteKey(512));
    expect((await NotesView.at(driver, 515)).reached.get('a' as RepositoryName)).toBe(515);
    expect((await NotesView.at(driver, 3)).reached.get('a' as RepositoryName)).toBe(3);
  });

  test('that cannot be read is ignored', async () => {
    const objects = new Map<string, Uint8Array>();
    const driver = new MemoryDriver(objects);
    const log = openNotes(driver);
    await log.append(hints({ a: 1 }));
    objects.set(noteSnapshotKey(1), new TextEncoder().encode('not a snapshot'));
    expect(await reachedIn(driver)).toEqual({ a: 1 });
  });

  test('that could not be stored is reported, and the note counts', async () => {
    const clock = new TestClock();
    const driver = new FaultyDriver((key) => (key.startsWith(NOTE_SNAPSHOTS) ? 'before writing' : 'none'));
    const failures: unknown[] = [];
    const log = new NotesLog({
      ...{ driver, now: clock.now, sleep: clock.sleep, node: 'n', newId: countingIncarnations(clock.now) },
      snapshotFailed: (error) => failures.push(error),
    });
    for (let seq = 1; seq <= 513; seq++) await log.append(hints({ a: seq }));
    expect(failures).toHaveLength(2);
    expect(await reachedIn(driver)).toEqual({ a: 513 });
  });
});
