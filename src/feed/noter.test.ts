import { describe, expect, test } from 'bun:test';
import { TestClock } from '../../test/support/deterministic.ts';
import { hints, openNotes, tagEvents, writeRepository } from '../../test/support/feed.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { type HintBoard, MemoryBoard, NOTE_EVERY_MS, NOTES_AT_ONCE, type Turn } from './hint-board.ts';
import { Noter } from './noter.ts';
import { readNote } from './notes/note.ts';

const A = 'a' as RepositoryName;
const B = 'b' as RepositoryName;

interface Setup {
  readonly driver: MemoryDriver;
  readonly clock: TestClock;
  readonly noter: Noter;
  /** When each note was written. */
  readonly times: number[];
  readonly failures: unknown[];
  writable: boolean;
}

function setUp(board?: (clock: TestClock) => HintBoard): Setup {
  const driver = new MemoryDriver();
  const clock = new TestClock(0);
  const setup = { driver, clock, times: [] as number[], failures: [] as unknown[], writable: true };
  const noter = new Noter({
    log: openNotes(driver, clock),
    board: board?.(clock) ?? new MemoryBoard(clock.now),
    driver,
    mayWrite: () => setup.writable,
    sleep: async (milliseconds) => {
      await clock.sleep(milliseconds);
      await new Promise((resolve) => setImmediate(resolve));
    },
    onNote: () => setup.times.push(clock.now()),
    onFailure: (error) => setup.failures.push(error),
  });
  return Object.assign(setup, { noter });
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (isTrue()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('it does not happen');
}

describe('a noter', () => {
  test('notes the first hint at once, and what comes together in one note', async () => {
    const { driver, noter, times } = setUp();
    noter.hint(A, 1);
    noter.hint(B, 3);
    noter.hint(A, 2);
    await until(() => times.length > 0);
    expect(times[0]).toBeLessThan(100);
    expect(
      (await readNote(driver, 1))?.batch.events.map((event) => event.type === 'log.grew' && [event.repo, event.to]),
    ).toEqual([
      [A, 2],
      [B, 3],
    ]);
  });

  test('writes about one note a second while things happen, and none while nothing does', async () => {
    const { clock, noter, times } = setUp();
    let seq = 0;
    while (clock.now() < 60_000) {
      noter.hint(A, ++seq);
      const before = clock.now();
      await new Promise((resolve) => setImmediate(resolve));
      if (clock.now() === before) clock.advance(5);
    }
    await noter.close();
    expect(times.length).toBeGreaterThan(50);
    expect(times.length).toBeLessThanOrEqual(60_000 / NOTE_EVERY_MS + NOTES_AT_ONCE + 2);
  });

  test('writes what it has when it is closed', async () => {
    const { driver, noter } = setUp();
    noter.hint(A, 7);
    await noter.close();
    expect((await readNote(driver, 1))?.batch.events).toEqual([{ type: 'log.grew', repo: A, from: 0, to: 7 }]);
  });

  test('keeps hints while the store is read-only', async () => {
    const setup = setUp();
    const { driver, noter, times } = setup;
    setup.writable = false;
    noter.hint(A, 1);
    await until(() => setup.clock.now() > 5_000);
    expect(await readNote(driver, 1)).toBeUndefined();
    setup.writable = true;
    await until(() => times.length > 0);
    expect((await readNote(driver, 1))?.batch.events).toHaveLength(1);
  });

  test('tries again after a failure, which it reports once', async () => {
    const { driver, noter, times, failures } = setUp();
    const create = driver.create.bind(driver);
    let left = 3;
    driver.create = async (...call) => {
      if (left-- > 0) throw Object.assign(new Error('no answer'), { code: 'EIO' });
      return await create(...call);
    };
    noter.hint(A, 1);
    await until(() => times.length > 0);
    expect(failures.length).toBeLessThanOrEqual(1);
    expect((await readNote(driver, 1))?.batch.events).toHaveLength(1);
  });

  test('believes no hint of another process without a look at the slot', async () => {
    const removed: (readonly [string, number])[] = [];
    const turns: Turn[] = [{ kind: 'now', hints: hints({ a: 2, b: 9 }) }, { kind: 'nothing' }];
    const { driver, noter, times } = setUp(() => ({
      isShared: true,
      put: async () => {},
      take: async () => turns.shift() ?? { kind: 'nothing' },
      remove: async (noted) => void removed.push(...noted),
    }));
    await writeRepository(driver, 'a', tagEvents(2));
    await writeRepository(driver, 'b', tagEvents(3));
    noter.wake();
    await until(() => times.length > 0);
    await until(() => removed.length > 0);
    expect((await readNote(driver, 1))?.batch.events).toEqual([{ type: 'log.grew', repo: A, from: 0, to: 2 }]);
    // A wrong hint would come back for ever.
    expect(removed.sort()).toEqual([
      ['a', 2],
      ['b', 9],
    ]);
  });
});
