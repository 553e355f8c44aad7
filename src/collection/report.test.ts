import { expect, test } from 'bun:test';
import { collectionPorts, never } from '../../test/support/collection.ts';
import { openRegistry } from '../../test/support/registry.ts';
import { COLLECTION_ANSWER, COLLECTION_REPORT } from '../storage/paths.ts';
import { collectionJob } from './job.ts';
import { lastReport, lastRequestedReport } from './report.ts';

test('the report of a requested run stays readable although a scheduled run follows', async () => {
  const open = openRegistry();
  const { driver } = open;
  const job = collectionJob({
    ...collectionPorts(open),
    sessions: open.sessions,
    enabled: true,
    onReport: () => {},
  });
  expect([await lastReport(driver), await lastRequestedReport(driver)]).toEqual([undefined, undefined]);
  await job('01JB', never);
  await job(undefined, never);
  expect((await lastReport(driver))?.request).toBeUndefined();
  expect((await lastRequestedReport(driver))?.request).toBe('01JB');
  await job('01JC', never);
  expect(await lastReport(driver)).toEqual(await lastRequestedReport(driver));
  expect((await lastRequestedReport(driver))?.request).toBe('01JC');
});

test('a torn report, or one of another version, counts as none', async () => {
  const { driver } = openRegistry();
  for (const text of ['{"run":', '{"run":"x"}']) {
    for (const key of [COLLECTION_REPORT, COLLECTION_ANSWER]) await driver.put(key, new TextEncoder().encode(text));
    expect([await lastReport(driver), await lastRequestedReport(driver)]).toEqual([undefined, undefined]);
  }
});
