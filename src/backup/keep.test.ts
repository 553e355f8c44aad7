import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { encodeTime } from 'ulid';
import type { Incarnation } from '../oci/names.ts';
import { keptOf } from './keep.ts';
import type { BackupName } from './place.ts';

const NONE = { last: 0, daily: 0, weekly: 0, monthly: 0 };

function backupAt(time: number): BackupName {
  return { id: `${encodeTime(time)}0000000000000000` as Incarnation, name: new Date(time).toISOString().slice(0, 13) };
}

const at = (...times: readonly string[]): BackupName[] => times.map((time) => backupAt(Date.parse(`${time}Z`)));
const names = (backups: readonly BackupName[]): string[] => backups.map(({ name }) => name);

test('the last ones are kept, in their order', () => {
  const backups = at('2030-01-01T02:00', '2030-01-02T02:00', '2030-01-03T02:00');
  expect(keptOf(backups, { ...NONE, last: 2 })).toEqual(backups.slice(1));
});

test('of each day, week and month that has backups the last one is kept, and gaps do not count', () => {
  // 2030-01-07 is a Monday.
  const backups = at(
    ...['2029-11-30T02:00', '2029-12-31T02:00', '2030-01-05T02:00', '2030-01-06T02:00'],
    ...['2030-01-06T22:00', '2030-01-07T02:00', '2030-01-07T23:00'],
  );
  expect(names(keptOf(backups, { ...NONE, daily: 2 }))).toEqual(['2030-01-06T22', '2030-01-07T23']);
  expect(names(keptOf(backups, { ...NONE, daily: 3 }))).toEqual(['2030-01-05T02', '2030-01-06T22', '2030-01-07T23']);
  expect(names(keptOf(backups, { ...NONE, weekly: 2 }))).toEqual(['2030-01-06T22', '2030-01-07T23']);
  expect(names(keptOf(backups, { ...NONE, monthly: 3 }))).toEqual(['2029-11-30T02', '2029-12-31T02', '2030-01-07T23']);
});

test('any rule keeps the newest backup, and more of a rule keep more', () => {
  const time = fc.integer({ min: Date.UTC(2030, 0), max: Date.UTC(2031, 0) });
  const rule = fc.constantFrom('last' as const, 'daily' as const, 'weekly' as const, 'monthly' as const);
  fc.assert(
    fc.property(
      fc.uniqueArray(time, { minLength: 1, maxLength: 40 }),
      rule,
      fc.integer({ min: 1, max: 9 }),
      (times, each, count) => {
        const backups = times.toSorted((one, other) => one - other).map(backupAt);
        const kept = keptOf(backups, { ...NONE, [each]: count });
        expect(kept.at(-1)).toEqual(backups.at(-1) as BackupName);
        expect(kept.length).toBeLessThanOrEqual(count);
        const more = keptOf(backups, { ...NONE, [each]: count + 1 });
        for (const backup of kept) expect(more).toContain(backup);
      },
    ),
  );
});
