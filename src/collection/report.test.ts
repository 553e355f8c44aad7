import { expect, test } from 'bun:test';
import { collectionPorts, never } from '../../test/support/collection.ts';
import { openRegistry } from '../../test/support/registry.ts';
import { COLLECTION_ANSWER, COLLECTION_REPORT } from '../storage/paths.ts';
import { collectionJob } from './job.ts';
import { collectionReports } from './report.ts';

test('the report of a requested run stays readable although a scheduled run follows', async () => {
  const open = openRegistry();
  const { driver } = open;
  const job = collectionJob({
    ...collectionPorts(open),
    sessions: open.sessions,
    enabled: true,
    onReport: () => {},
  });
  expect([await collectionReports.last(driver), await collectionReports.lastRequested(driver)]).toEqual([
    undefined,
    undefined,
  ]);
  await job('01JB', never);
  await job(undefined, never);
  expect((await collectionReports.last(driver))?.request).toBeUndefined();
  expect((await collectionReports.lastRequested(driver))?.request).toBe('01JB');
  await job('01JC', never);
  expect(await collectionReports.last(driver)).toEqual(await collectionReports.lastRequested(driver));
  expect((await collectionReports.lastRequested(driver))?.request).toBe('01JC');
});

test('a torn report, or one of another version, counts as none', async () => {
  const { driver } = openRegistry();
  for (const text of ['{"run":', '{"run":"x"}']) {
    for (const key of [COLLECTION_REPORT, COLLECTION_ANSWER]) await driver.put(key, new TextEncoder().encode(text));
    expect([await collectionReports.last(driver), await collectionReports.lastRequested(driver)]).toEqual([
      undefined,
      undefined,
    ]);
  }
});
