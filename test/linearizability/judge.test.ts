// The judge of histories accepts what an atomic tag could have answered, and nothing else.
import { beforeAll, expect, test } from 'bun:test';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import {
  type Expected,
  openJudge,
  type Recorded,
  type Swap,
  type TagOperation,
  type Verdict,
} from '../support/linearizability.ts';

let judge: (history: readonly Recorded[]) => Promise<Verdict>;
beforeAll(async () => {
  judge = await openJudge();
}, TOOLS_WITHIN_MS);

/** [call, return, operation] */
type Line = readonly [number, number, TagOperation];

function isLegal(...lines: readonly Line[]): Promise<boolean> {
  const history = lines.map(([call, end, operation], client) => ({ key: 't', client, call, return: end, operation }));
  return judge(history).then(({ illegal, undecided }) => {
    expect(undecided).toEqual([]);
    return illegal.length === 0;
  });
}

const swapped = (expected: Expected, value: string | undefined, outcome: Swap['outcome'] = 'done'): TagOperation => ({
  ...{ kind: 'swap', expected, value, outcome },
});
const write = (value: string, outcome?: Swap['outcome']): TagOperation => swapped('anything', value, outcome);
const remove = (outcome?: Swap['outcome']): TagOperation => swapped('present', undefined, outcome);
const read = (outcome: string | undefined): TagOperation => ({ kind: 'read', outcome });

test('a read shows the newest acknowledged write, or one that overlaps it', async () => {
  expect(await isLegal([1, 2, write('a')], [3, 4, read('a')])).toBe(true);
  expect(await isLegal([1, 2, write('a')], [3, 4, read(undefined)])).toBe(false);
  expect(await isLegal([1, 4, write('a')], [2, 3, read(undefined)])).toBe(true);
  expect(await isLegal([1, 2, write('a')], [3, 4, { kind: 'list', outcome: false }])).toBe(false);
});

test('what was shown once does not disappear, also of a write without an answer', async () => {
  const lost = write('a', 'unknown');
  expect(await isLegal([1, 2, lost], [3, 4, read(undefined)], [5, 6, read('a')])).toBe(true);
  expect(await isLegal([1, 2, lost], [3, 4, read('a')], [5, 6, read(undefined)])).toBe(false);
});

test('deletes and comparisons tell what was there', async () => {
  expect(await isLegal([1, 2, write('a')], [3, 4, remove()], [5, 6, remove('refused')])).toBe(true);
  expect(await isLegal([1, 2, write('a')], [3, 4, remove('refused')])).toBe(false);
  const [first, second] = [swapped('absent', 'a'), swapped(['a'], 'b')];
  expect(await isLegal([1, 2, first], [3, 4, second], [5, 6, read('b')])).toBe(true);
  expect(await isLegal([1, 2, write('a')], [3, 4, swapped(['a'], 'b', 'refused')])).toBe(false);
  // Only one of two can win.
  expect(await isLegal([1, 9, first], [1, 9, swapped('absent', 'b')])).toBe(false);
  const removed = swapped(['a'], undefined, 'untold');
  expect(await isLegal([1, 2, write('a')], [3, 4, removed], [5, 6, read(undefined)])).toBe(true);
  expect(await isLegal([1, 2, write('b')], [3, 4, removed], [5, 6, read(undefined)])).toBe(false);
});
