import { expect, test } from 'bun:test';
import { eventually } from '../../test/support/eventually.ts';
import type { Incarnation } from '../oci/names.ts';
import { type ReplicaSighting, ReplicaWatch, replicaSighting } from './replicas.ts';
import { MemoryRoster } from './roster/memory-roster.ts';

const id = (text: string): Incarnation => text.padStart(26, '0') as Incarnation;

function openWatch(report?: () => Promise<void>) {
  const reports: (readonly [Incarnation, ReplicaSighting])[] = [];
  const failures: unknown[] = [];
  let now = 0;
  const watch = new ReplicaWatch({
    report: report ?? (async (...seen) => void reports.push(seen)),
    failed: (error) => failures.push(error),
    now: () => now,
  });
  const saw = (name: string, note: number, at: number): void => {
    now = at;
    watch.saw({ id: id(name), name, note }, '192.0.2.1');
  };
  return { reports, failures, saw };
}

test('a replica is reported when it has another note, and otherwise every ten seconds', () => {
  const { reports, saw } = openWatch();
  saw('A', 1, 0);
  saw('A', 1, 9_999);
  saw('A', 2, 9_999);
  saw('B', 2, 9_999);
  saw('A', 2, 20_000);
  expect(reports.map(([, { name, note }]) => [name, note])).toEqual([
    ['A', 1],
    ['A', 2],
    ['B', 2],
    ['A', 2],
  ]);
});

test('what a replica calls itself becomes a text that a list may have', () => {
  const { reports, saw } = openWatch();
  saw('\u202e\n', 1, 0);
  expect(reports.map(([, sighting]) => replicaSighting.safeParse(sighting).success)).toEqual([true]);
});

test('if several reports fail in a row, only the first failure is reported', async () => {
  let isAway = true;
  const { failures, saw } = openWatch(async () => {
    if (isAway) throw new Error('away');
  });
  for (let note = 1; note <= 3; note++) saw('A', note, 0);
  await eventually(() => expect(failures).toHaveLength(1));
  isAway = false;
  saw('A', 4, 0);
  await Bun.sleep(0);
  isAway = true;
  saw('A', 5, 0);
  await eventually(() => expect(failures).toHaveLength(2));
});

test('a list in memory has the last 500 of a day, the one heard last first', async () => {
  let now = 0;
  const roster = new MemoryRoster<string>(() => now);
  const names = async (): Promise<string[]> => (await roster.list()).map(({ about }) => about);
  await roster.announce(id('A'), 'a');
  now = 5;
  await roster.announce(id('B'), 'b');
  await roster.announce(id('A'), 'a again');
  now = 7;
  expect(await roster.list()).toEqual([
    { id: id('A'), silentFor: 2, about: 'a again' },
    { id: id('B'), silentFor: 2, about: 'b' },
  ]);
  await roster.leave(id('A'));
  expect(await names()).toEqual(['b']);
  for (let each = 0; each < 500; each++) await roster.announce(id(`N${each}`), `n${each}`);
  const listed = await names();
  expect([listed.length, listed[0], listed.at(-1)]).toEqual([500, 'n499', 'n0']);
  now += 25 * 3_600_000;
  expect(await names()).toEqual([]);
});
