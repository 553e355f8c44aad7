import { describe, expect, test } from 'bun:test';
import { TestClock } from '../../../test/support/deterministic.ts';
import { A, B, text } from '../../../test/support/registry.ts';
import { digestFromHex } from '../../oci/digest.ts';
import type { RepositoryName, Tag } from '../../oci/names.ts';
import type { StorageDriver } from '../../storage/driver.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { PULLS, pullsKey } from '../../storage/paths.ts';
import { PullRecorder } from './pull-recorder.ts';
import { beginRecording, compactPulls, endRecording, readPulls, storePulls } from './pull-store.ts';
import { HOUR } from './pull-times.ts';

const DIGEST = digestFromHex('sha256', 'a'.repeat(64));

function open(driver: StorageDriver = new MemoryDriver()) {
  const clock = new TestClock();
  let ids = 0;
  const newId = () => `id${ids++}`;
  const recorder = () => new PullRecorder({ store: (times) => storePulls(driver, newId(), times), now: clock.now });
  const keys = async () => {
    const found: string[] = [];
    for await (const { key } of driver.list(PULLS)) found.push(key);
    return found;
  };
  const last = async (repo: RepositoryName, tag: string) =>
    (await readPulls(driver, clock.now())).times.last(repo, tag as Tag, DIGEST);
  return { driver, clock, newId, recorder, keys, last, hour: () => Math.floor(clock.now() / HOUR) };
}

describe('pulls', () => {
  test('of several nodes are put together, and what is too old is left out', async () => {
    const { driver, clock, newId, recorder, keys, last, hour } = open();
    const [one, other] = [recorder(), recorder()];
    await one.flush();
    expect(await keys()).toEqual([]);
    const begun = hour();
    one.pulled(A, 'old');
    one.pulled(A, 'x');
    await one.flush();
    clock.advance(50 * HOUR);
    other.pulled(A, 'x');
    other.pulled(B, DIGEST);
    await Promise.all([other.flush(), other.flush()]);
    expect(await keys()).toHaveLength(2);
    expect([await last(A, 'x'), await last(B, 'any')]).toEqual([(hour() + 1) * HOUR, (hour() + 1) * HOUR]);
    expect(await last(A, 'old')).toBe((begun + 1) * HOUR);
    const options = { now: clock.now(), window: 10 * HOUR, newId };
    await compactPulls(driver, await readPulls(driver, clock.now()), options);
    expect(await keys()).toHaveLength(1);
    expect(await last(A, 'x')).toBe((hour() + 1) * HOUR);
    for (const name of ['old', 'never']) expect(await last(A, name)).toBe((hour() - 12) * HOUR);
    // One object is left as it is.
    const [key] = await keys();
    await compactPulls(driver, await readPulls(driver, clock.now()), options);
    expect(await keys()).toEqual([key ?? '']);
  });

  test('that could not be stored are stored the next time', async () => {
    const memory = new MemoryDriver();
    let isFull = true;
    const driver = new Proxy(memory, {
      get: (target, name) => {
        if (name === 'put' && isFull) return () => Promise.reject(new Error('no room'));
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const { recorder, last, hour } = open(driver);
    const one = recorder();
    one.pulled(A, 'x');
    await expect(one.flush()).rejects.toThrow('no room');
    isFull = false;
    one.pulled(A, 'y');
    await one.flush();
    for (const name of ['x', 'y']) expect(await last(A, name)).toBe((hour() + 1) * HOUR);
  });

  test('are known from when recording began, which goes on from node to node until one does not record', async () => {
    const { driver, clock } = open();
    const began = async () => (await readPulls(driver, clock.now())).began;
    expect(await began()).toBe(clock.now());
    const begun = clock.now();
    await beginRecording(driver, clock.now());
    clock.advance(HOUR);
    await beginRecording(driver, clock.now());
    expect(await began()).toBe(begun);
    await endRecording(driver);
    await endRecording(driver);
    expect(await began()).toBe(clock.now());
    await beginRecording(driver, clock.now());
    clock.advance(HOUR);
    expect(await began()).toBe(clock.now() - HOUR);
  });

  test('are not lost where two put them together at once, and what cannot be read is not taken for nothing', async () => {
    const { driver, clock, newId, recorder, keys, last, hour } = open();
    for (const name of ['x', 'y', 'z']) {
      const one = recorder();
      one.pulled(A, name);
      await one.flush();
    }
    const options = { now: clock.now(), window: HOUR, newId };
    const both = await Promise.all([0, 1].map(() => readPulls(driver, clock.now())));
    await Promise.all(both.map((known) => compactPulls(driver, known, options)));
    expect(await keys()).toHaveLength(2);
    for (const name of ['x', 'y', 'z']) expect(await last(A, name)).toBe((hour() + 1) * HOUR);

    // Listed, and put together with others before it is read: the new one is found by looking again.
    const read = driver.read.bind(driver);
    let isFirst = true;
    driver.read = async (key) => {
      if (isFirst && key.startsWith(PULLS)) {
        isFirst = false;
        await compactPulls(driver, await readPulls(driver, clock.now()), options);
        return undefined;
      }
      return await read(key);
    };
    for (const name of ['x', 'y', 'z']) expect(await last(A, name)).toBe((hour() + 1) * HOUR);
    await driver.put(pullsKey('other'), text('something else'));
    await expect(last(A, 'x')).rejects.toThrow('the times of pulls in pulls/times/other cannot be read');
  });
});
