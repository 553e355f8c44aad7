// A replica believes what its source says about collections only as far as its own logs agree.
import { expect, test } from 'bun:test';
import type { Incarnation } from '../../src/oci/names.ts';
import { encodeList } from '../../src/registry/condemned.ts';
import { SourceAway } from '../../src/replica/source-errors.ts';
import type { Key } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { condemnedKey, DATA, dataKey, EPOCHS, finalKey, incarnationOfDataKey } from '../../src/storage/paths.ts';
import { TestClock } from '../support/deterministic.ts';
import { A, B, CALLER, HOUR, openRegistry, text } from '../support/registry.ts';
import { EndingDriver, follow, INSTANCE, note, type Source, STORE, sourceOver } from './copying.ts';

/** A primary with two repositories, and a replica that has everything. */
async function copied() {
  const clock = new TestClock();
  const primary = new Map<Key, Uint8Array>();
  const driver = new MemoryDriver(primary);
  const source = sourceOver(driver, clock);
  const { registry, push, projection, newIncarnation, linkOf } = openRegistry({ driver, clock });
  await push(A, text('one'));
  await push(B, text('two'));
  const unlinked = await push(B, text('three'));
  const gone = await linkOf(B, unlinked);
  if (gone === undefined) throw new Error('the blob is not linked');
  await note(driver, projection, [A, B], clock);
  const replica = new Map<Key, Uint8Array>();
  await follow(new EndingDriver(replica), source);
  await registry.deleteBlob(B, unlinked, CALLER);
  await note(driver, projection, [A, B], clock);
  clock.advance(HOUR);
  const list = async (objects: readonly Incarnation[]): Promise<Incarnation> => {
    const epoch = newIncarnation();
    await driver.create(finalKey(epoch), encodeList(objects.toSorted()));
    return epoch;
  };
  return { replica, source, gone, list, driver };
}

function objectsIn(store: ReadonlyMap<Key, Uint8Array>): Incarnation[] {
  return [...store.keys()]
    .filter((key) => key.startsWith(DATA))
    .map(incarnationOfDataKey)
    .filter((inc) => inc !== undefined);
}

test('a replica deletes nothing if a list of its source names one object that a log links', async () => {
  const { replica, source, gone, list, driver } = await copied();
  const all = objectsIn(replica);
  const honest = await list([gone]);
  const forged = await list(all);
  const { failure, state, refusedLists } = await follow(new EndingDriver(replica), source);
  expect(state.kind).toBe('refused');
  expect(failure?.message).toMatch(new RegExp(`gc/${forged}/final names \\w{26}, which the log of team/[ab] links`));
  expect(refusedLists).toBe(1);
  expect(objectsIn(replica)).toEqual(all);
  expect([...replica.keys()].filter((key) => key.startsWith(EPOCHS))).toEqual([]);
  // Without that list it goes on.
  await driver.delete([finalKey(forged)]);
  expect((await follow(new EndingDriver(replica), source)).failure).toBeUndefined();
  expect(objectsIn(replica)).toEqual(all.filter((inc) => inc !== gone));
  expect(replica.has(finalKey(honest))).toBe(true);
  expect(replica.has(condemnedKey(honest))).toBe(false);
});

test('a log that cannot be read at the replica stops deletes, because its links are unknown', async () => {
  const { replica, source, gone, list } = await copied();
  await list([gone]);
  const [first] = [...replica.keys()].filter((key) => key.includes('team') && key.endsWith('0001'));
  if (first === undefined) throw new Error('there is no slot');
  replica.set(first, text('broken'));
  expect((await follow(new EndingDriver(replica), source)).state.kind).toBe('refused');
  expect(replica.has(dataKey(gone))).toBe(true);
});

test('a source that does not wait when it has nothing is asked once a second', async () => {
  const { source } = await copied();
  let asked = 0;
  const hasty: Source = {
    ...source,
    // The replica never has everything, so it goes on asking.
    robots: 1,
    storeLog: async (_log, _after, wait) => {
      if (wait > 0 && ++asked > 20) throw new SourceAway('asked enough');
      return { slots: [], more: false };
    },
  };
  const clock = new TestClock();
  const begun = clock.now();
  const { failure } = await follow(new EndingDriver(new Map()), hasty, {}, { store: STORE, instance: INSTANCE }, clock);
  expect(failure?.message).toBe('asked enough');
  // Notes and robots are asked for at the same time, and this clock counts each wait.
  expect(clock.now() - begun).toBeGreaterThanOrEqual(18_000);
});

test('a source that says that there is more, and shows nothing, is refused', async () => {
  const { source } = await copied();
  const endless: Source = { ...source, storeLog: async (log) => ({ slots: [], more: log === 'notes' }) };
  const { failure, state } = await follow(new EndingDriver(new Map()), endless);
  expect([state.kind, failure?.message]).toEqual(['refused', 'the source says that more notes follow, and shows none']);
});
