import { expect, test } from 'bun:test';
import { z } from 'zod';
import { countingIncarnations } from '../../test/support/deterministic.ts';
import { MemoryDriver } from './memory/driver.ts';
import { BACKUP_REPORTS, backupReportKey } from './paths.ts';
import { ReportSeries } from './stored-reports.ts';

const MAX = 5;

function openSeries() {
  const driver = new MemoryDriver();
  const series = new ReportSeries({ prefix: BACKUP_REPORTS, of: backupReportKey }, z.object({ n: z.number() }), MAX);
  return { driver, series, newId: countingIncarnations(() => 1) };
}

test('a series keeps the last reports, the newest first', async () => {
  const { driver, series, newId } = openSeries();
  expect(await series.list(driver)).toEqual([]);
  for (let n = 1; n <= 2 * MAX; n++) await series.add(driver, newId(), { n });
  expect(await series.list(driver)).toEqual([{ n: 10 }, { n: 9 }, { n: 8 }, { n: 7 }, { n: 6 }]);
  expect(await Array.fromAsync(driver.list(BACKUP_REPORTS))).toHaveLength(MAX);
});

test('runs that end at the same time lose no report', async () => {
  const { driver, series, newId } = openSeries();
  await Promise.all([1, 2, 3, 4].map((n) => series.add(driver, newId(), { n })));
  expect(await series.list(driver)).toEqual([{ n: 4 }, { n: 3 }, { n: 2 }, { n: 1 }]);
});

test('what another version wrote in another form is left out', async () => {
  const { driver, series, newId } = openSeries();
  await series.add(driver, newId(), { n: 1 });
  for (const text of ['{"m":1}', 'no JSON', '']) await driver.put(backupReportKey(newId()), Buffer.from(text));
  expect(await series.list(driver)).toEqual([{ n: 1 }]);
});
