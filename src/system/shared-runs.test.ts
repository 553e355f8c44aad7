import { expect, test } from 'bun:test';
import { SharedRuns } from './shared-runs.ts';

/** Runs that end when the test says so, each with its number. */
function world() {
  const runs = new SharedRuns<string, number>();
  const begun: PromiseWithResolvers<number>[] = [];
  const want = (key = 'a'): Promise<number> =>
    runs.run(key, () => {
      const run = Promise.withResolvers<number>();
      begun.push(run);
      return run.promise;
    });
  return { begun, want };
}

const settled = () => Bun.sleep(0);

test('callers who come while work runs share the next run, which begins when it has ended', async () => {
  const { begun, want } = world();
  const [first, ...others] = [want(), want(), want()];
  expect(begun).toHaveLength(1);
  begun[0]?.resolve(1);
  expect(await first).toBe(1);
  await settled();
  expect(begun).toHaveLength(2);
  const last = want();
  begun[1]?.resolve(2);
  expect(await Promise.all(others)).toEqual([2, 2]);
  await settled();
  begun[2]?.resolve(3);
  expect(await last).toBe(3);
  void want();
  expect(begun).toHaveLength(4);
});

test('a run that fails fails those who share it, and the next one begins', async () => {
  const { begun, want } = world();
  const [first, second] = [want(), want()];
  begun[0]?.reject(new Error('broken'));
  await expect(first).rejects.toThrow('broken');
  begun[1]?.resolve(2);
  expect(await second).toBe(2);
});

test('work of different kinds does not wait for each other', () => {
  const { begun, want } = world();
  void want('a');
  void want('b');
  expect(begun).toHaveLength(2);
});
