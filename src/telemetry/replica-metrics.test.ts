import { expect, test } from 'bun:test';
import { Telemetry } from './metrics.ts';

test('what a replica does not know yet has no value: 0 would mean that it has everything', async () => {
  const telemetry = new Telemetry();
  let known: number | undefined;
  telemetry.replica.observe({
    isCurrent: () => false,
    isConnected: () => true,
    missing: () => known,
    age: () => known,
  });
  const values = async (): Promise<string[]> => {
    const lines = (await telemetry.render()).split('\n');
    return lines.filter((line) => /^marina_replica_(age_seconds|missing_objects)/.test(line));
  };
  expect(await values()).toEqual([]);
  known = 7;
  expect(await values()).toEqual(['marina_replica_age_seconds 7', 'marina_replica_missing_objects 7']);
  known = undefined;
  expect(await values()).toEqual([]);
});
