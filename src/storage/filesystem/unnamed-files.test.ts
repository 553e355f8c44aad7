import { expect, test } from 'bun:test';
import { UnnamedFiles } from './unnamed-files.ts';

const LARGE = 200 * 1024 * 1024;

/** Files whose syncs end when the test says so. */
function opened() {
  const named: string[] = [];
  const syncs: PromiseWithResolvers<void>[] = [];
  const files = new UnnamedFiles({
    sync: () => {
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    },
    name: (temporary, key) => void named.push(`${temporary} ${key}`),
  });
  const nextSync = async (): Promise<PromiseWithResolvers<void>> => {
    for (;;) {
      const next = syncs.shift();
      if (next !== undefined) return next;
      await Bun.sleep(0);
    }
  };
  return { files, named, nextSync };
}

const small = (temporary: string) => ({ temporary, size: 1 });

test('a file gets its name after a sync that began after it was written, and the name is durable after another', async () => {
  const { files, named, nextSync } = opened();
  await files.add('a', small('1'));
  const settled = files.settle();
  const bytes = await nextSync();
  await files.add('b', small('2'));
  expect(named).toEqual([]);
  expect(files.sizeOf('a')).toBe(1);
  bytes.resolve();
  const next = await nextSync();
  expect(named).toEqual(['1 a']);
  expect(files.sizeOf('a')).toBeUndefined();
  next.resolve();
  const names = await nextSync();
  expect(named).toEqual(['1 a', '2 b']);
  names.resolve();
  await settled;
});

test('files are written during one sync, and wait if they become many', async () => {
  const { files, named, nextSync } = opened();
  await files.add('a', { temporary: '1', size: 2 * LARGE });
  // The first sync runs.
  await files.add('b', { temporary: '2', size: LARGE });
  let hasWaited = true;
  const third = files.add('c', { temporary: '3', size: LARGE }).then(() => {
    hasWaited = false;
  });
  const first = await nextSync();
  await Bun.sleep(5);
  expect(hasWaited).toBe(true);
  first.resolve();
  await third;
  expect(named).toEqual(['1 a']);
  (await nextSync()).resolve();
  await files.nameAll();
  expect(named).toEqual(['1 a', '2 b', '3 c']);
});

test('after a failed sync nothing gets a name any more', async () => {
  const { files, named, nextSync } = opened();
  await files.add('a', small('1'));
  const naming = files.nameAll();
  (await nextSync()).reject(new Error('the disk is broken'));
  expect(await naming.catch(String)).toBe('Error: the disk is broken');
  for (const work of [() => files.add('b', small('2')), () => files.nameAll(), () => files.settle()])
    expect(await work().catch(String)).toBe('Error: the disk is broken');
  expect(named).toEqual([]);
  files.discard();
  expect(files.sizeOf('a')).toBeUndefined();
});
