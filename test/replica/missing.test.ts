// What the source lacked or had damaged when its slots were copied is asked for again.
import { expect, test } from 'bun:test';
import { ByteCopier } from '../../src/replica/copy-bytes.ts';
import { lagOf } from '../../src/replica/lag.ts';
import type { ReplicaMark } from '../../src/replica/mark.ts';
import { MissingBytes } from '../../src/replica/missing-bytes.ts';
import { writeMissing } from '../../src/replica/missing-report.ts';
import type { Key } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { dataKey } from '../../src/storage/paths.ts';
import { TestClock } from '../support/deterministic.ts';
import { A, B, CALLER, openRegistry, text } from '../support/registry.ts';
import { EndingDriver, follow, INSTANCE, note, STORE, sourceOver } from './copying.ts';

const MINUTE = 60_000;
const LARGE = new Uint8Array(100_000).fill(7);
const NEVER = new AbortController().signal;

/** A primary that lacks one small object, has another one damaged, and has lost the end of a large one; and a replica of it. */
async function damaged() {
  const clock = new TestClock();
  const primary = new Map<Key, Uint8Array>();
  const driver = new MemoryDriver(primary);
  const source = sourceOver(driver, clock);
  const { registry, push, projection, linkOf } = openRegistry({ driver, clock });
  const keyOf = async (bytes: Uint8Array): Promise<{ key: Key; digest: Awaited<ReturnType<typeof push>> }> => {
    const digest = await push(A, bytes);
    const inc = await linkOf(A, digest);
    if (inc === undefined) throw new Error('the blob is not linked');
    return { key: dataKey(inc), digest };
  };
  const [absent, torn, cut] = [await keyOf(text('one')), await keyOf(text('two')), await keyOf(LARGE)];
  await push(B, text('whole'));
  await note(driver, projection, [A, B], clock);
  primary.delete(absent.key);
  primary.set(torn.key, text('owt'));
  primary.set(cut.key, LARGE.subarray(0, 70_000));
  const repair = (): void => {
    primary.set(absent.key, text('one'));
    primary.set(torn.key, text('two'));
    primary.set(cut.key, LARGE);
  };
  const unlink = async (): Promise<void> => {
    await registry.deleteBlob(A, absent.digest, CALLER);
    await note(driver, projection, [A, B], clock);
  };
  const replica = new Map<Key, Uint8Array>();
  return { replica, source, clock, repair, unlink, keys: [absent.key, torn.key, cut.key] };
}

function missingIn(replica: Map<Key, Uint8Array>, { source, clock }: Awaited<ReturnType<typeof damaged>>) {
  const driver = new MemoryDriver(replica);
  const bytes = new ByteCopier({ driver, source, instance: INSTANCE, now: clock.now, copied: () => {} });
  return new MissingBytes({ driver, bytes, now: clock.now, yieldToRequests: async () => {} });
}

test('a replica follows a source that lacks bytes, counts them, and the next process copies them once the source has them', async () => {
  const { replica, source, repair, keys } = await damaged();
  expect((await follow(new EndingDriver(replica), source)).state).toEqual({
    kind: 'following',
    isCurrent: true,
    missing: 3,
  });
  repair();
  expect((await follow(new EndingDriver(replica), source)).state).toMatchObject({ missing: 0 });
  for (const key of keys) expect(replica.has(key)).toBe(true);
  expect(replica.get(keys[2] ?? '')).toEqual(LARGE);
});

test('a replica follows its source, but is not current, while it copies for the first time', async () => {
  const { replica, source, repair } = await damaged();
  repair();
  const seen: unknown[] = [];
  await follow(new EndingDriver(replica), source, {
    became: (state) => void seen.push(state),
    logs: (right) => ({
      copy: (...copied) => {
        seen.push('copy');
        return right.copy(...copied);
      },
    }),
  });
  const following = (isCurrent: boolean) => ({ kind: 'following', isCurrent, missing: 0 });
  // The loop that follows the robots rests and so moves the clock on: the first look for missing bytes ends before it has seen all logs.
  expect(seen).toEqual([following(false), 'copy', following(false), following(true)]);
});

test('a running process asks the source again every ten minutes', async () => {
  const setup = await damaged();
  const { replica, source, clock, repair, keys } = setup;
  await follow(new EndingDriver(replica), source);
  const missing = missingIn(replica, setup);
  await missing.look(NEVER);
  expect([missing.isKnown, missing.count]).toEqual([true, 3]);
  repair();
  clock.advance(9 * MINUTE);
  await missing.look(NEVER);
  expect(missing.count).toBe(3);
  clock.advance(MINUTE);
  await missing.look(NEVER);
  expect(missing.count).toBe(0);
  for (const key of keys) expect(replica.has(key)).toBe(true);
});

test('objects that logs do not link any more are not missing', async () => {
  const setup = await damaged();
  const { replica, source, clock, unlink } = setup;
  await follow(new EndingDriver(replica), source);
  const missing = missingIn(replica, setup);
  await missing.look(NEVER);
  await unlink();
  expect((await follow(new EndingDriver(replica), source)).state).toMatchObject({ missing: 2 });
  clock.advance(10 * MINUTE);
  await missing.look(NEVER);
  expect(missing.count).toBe(2);
});

test('what the copier could not copy counts at the next look', async () => {
  const setup = await damaged();
  const { replica, source } = setup;
  const missing = missingIn(replica, setup);
  await missing.look(NEVER);
  expect([missing.isKnown, missing.count]).toEqual([true, 0]);
  const failures: Parameters<MissingBytes['report']>[] = [];
  await follow(new EndingDriver(replica), source, {
    bytes: (right) => ({
      copy: async (wanted, signal) => {
        const failed = await right.copy(wanted, signal);
        for (const each of failed) failures.push([A, each]);
        return failed;
      },
    }),
  });
  // One of another log, which does not link it.
  for (const [repo, each] of failures) {
    missing.report(repo, each);
    missing.report(B, each);
  }
  await missing.look(NEVER);
  expect(missing.count).toBe(3);
});

test('status shows the number that the server counted last', async () => {
  const { replica, source, clock } = await damaged();
  const driver = new MemoryDriver(replica);
  const mark: ReplicaMark = {
    v: 1,
    source: 'https://primary.example',
    lineage: [STORE],
    since: '2030-01-01T00:00:00.000Z',
  };
  expect((await lagOf(driver, source, mark, clock.now())).missing).toBeUndefined();
  await writeMissing(driver, 3);
  expect((await lagOf(driver, source, mark, clock.now())).missing).toBe(3);
});
