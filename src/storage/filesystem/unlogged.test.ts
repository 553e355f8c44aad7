import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { CreateResult, Key } from '../driver.ts';
import { NotDurable } from '../not-durable.ts';
import type { ObjectLog } from './ports.ts';
import { createNaming, UnloggedObject } from './unlogged.ts';

afterAll(cleanUp);

const full = new RegistryError('storage-full', 'no room');
const created = async (): Promise<CreateResult> => 'created';

/** A log that records what is appended to it alone. */
function openLog() {
  const root = temporaryFolder('unlogged');
  const appended: Key[] = [];
  const log: ObjectLog & { failure?: RegistryError } = {
    append: async ({ key }) => {
      await Bun.sleep(1);
      if (log.failure !== undefined) throw log.failure;
      appended.push(key);
    },
    holds: () => false,
  };
  const pathOf = (key: Key): string => join(root, key);
  const write = (key: Key, size = 10): UnloggedObject => {
    writeFileSync(pathOf(key), 'x');
    return new UnloggedObject(key, new Uint8Array(size), { log, pathOf });
  };
  return { log, appended, write, isThere: (key: Key) => existsSync(pathOf(key)) };
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );
}

describe('a written object', () => {
  test('is logged once, however often it is settled', async () => {
    const { appended, write } = openLog();
    const object = write('a');
    await Promise.all([object.settle(), object.settle()]);
    await object.settle();
    expect(appended).toEqual(['a']);
  });

  test('is removed if it cannot be logged, and every caller hears why', async () => {
    const { log, write, isThere } = openLog();
    log.failure = full;
    const object = write('a');
    expect(await Promise.allSettled([object.settle(), object.settle()])).toEqual([
      { status: 'rejected', reason: full },
      { status: 'rejected', reason: full },
    ]);
    expect(isThere('a')).toBe(false);
  });
});

describe('an object that refers to written ones', () => {
  test('is logged with them in one step, in their order', async () => {
    const { appended, write } = openLog();
    const objects = [write('a'), write('b')];
    const result = await createNaming(objects, async (records) => {
      expect(records.map(({ key }) => key)).toEqual(['a', 'b']);
      return 'created';
    });
    expect(result).toBe('created');
    for (const object of objects) await object.settle();
    expect(appended).toEqual([]);
  });

  test('makes those wait that settle them meanwhile', async () => {
    const { appended, write } = openLog();
    const object = write('a');
    const order: string[] = [];
    const creation = createNaming([object], async () => {
      await Bun.sleep(20);
      order.push('created');
      return 'created';
    });
    await object.settle();
    order.push('settled');
    await creation;
    expect([order, appended]).toEqual([['created', 'settled'], []]);
  });

  test('leaves them as they were if its name is taken', async () => {
    const { appended, write } = openLog();
    const object = write('a');
    expect(await createNaming([object], async () => 'taken')).toBe('taken');
    const next = await createNaming([object], async (records) => (records.length === 1 ? 'created' : 'taken'));
    expect(next).toBe('created');
    const other = write('b');
    await createNaming([other], async () => 'taken');
    await other.settle();
    expect(appended).toEqual(['b']);
  });

  test('brings them along again after a failure without an answer', async () => {
    const { write, isThere } = openLog();
    const object = write('a');
    const failure = new Error('no answer');
    expect(await failureOf(createNaming([object], () => Promise.reject(failure)))).toBe(failure);
    expect(isThere('a')).toBe(true);
    expect(await createNaming([object], async (records) => (records.length === 1 ? 'created' : 'taken'))).toBe(
      'created',
    );
  });

  test('that is refused fails with each of them, and they are removed', async () => {
    const { write, isThere } = openLog();
    const objects = [write('a'), write('b')];
    const error = await failureOf(createNaming(objects, () => Promise.reject(full)));
    expect(error).toBeInstanceOf(NotDurable);
    expect(error).toHaveProperty('reasons', new Map(objects.map((object) => [object, full])));
    expect([isThere('a'), isThere('b')]).toEqual([false, false]);
  });

  test('that refers to none is refused with its own error', async () => {
    expect(await failureOf(createNaming([], () => Promise.reject(full)))).toBe(full);
  });

  test('is not created if another one was removed before', async () => {
    const { log, write } = openLog();
    const object = write('a');
    log.failure = full;
    await failureOf(object.settle());
    const error = await failureOf(createNaming([object], created));
    expect(error).toHaveProperty('reasons', new Map([[object, full]]));
  });

  test('takes at most a mebibyte along; the rest is logged before', async () => {
    const { appended, write } = openLog();
    const objects = Array.from({ length: 20 }, (_, n) => write(`o${n}`, 64 * 1024));
    let together: readonly Key[] = [];
    await createNaming(objects, async (records) => {
      together = records.map(({ key }) => key);
      expect(appended).toHaveLength(4);
      return 'created';
    });
    expect(together).toHaveLength(16);
    expect([...together, ...appended].sort()).toEqual(objects.map(({ record }) => record.key).sort());
  });
});
