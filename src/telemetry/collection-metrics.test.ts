import { expect, test } from 'bun:test';
import type { Collected } from './collection-metrics.ts';
import { Telemetry } from './metrics.ts';

const LAST: Collected = {
  startedAt: 1_000_000,
  finishedAt: 1_002_500,
  examined: { objects: 10, bytes: 1000 },
  kept: { objects: 7, bytes: 700 },
  condemned: 3,
  spared: 1,
  freed: { objects: 2, bytes: 200 },
  waiting: { objects: 1, bytes: 100 },
  unlinked: 4,
  oldestGarbageSeconds: 60,
  failures: 1,
  failed: 'why',
};

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith('marina_collection'));
}

test('the last collection is shown; before the first one, and if it cannot be read, there are no values', async () => {
  const telemetry = new Telemetry();
  let last: () => Promise<Collected | undefined> = async () => undefined;
  const failures: unknown[] = [];
  telemetry.collections.observe({ last: () => last(), failed: (error) => failures.push(error) });
  expect(linesOf(await telemetry.render())).toEqual([]);
  let asked = 0;
  last = async () => {
    asked++;
    return LAST;
  };
  const lines = linesOf(await telemetry.render());
  expect(asked).toBe(1);
  for (const line of [
    'marina_collection_objects{state="examined"} 10',
    'marina_collection_objects{state="freed"} 2',
    'marina_collection_objects{state="waiting"} 1',
    'marina_collection_bytes{state="freed"} 200',
    'marina_collection_unlinked_blobs 4',
    'marina_collection_seconds 2.5',
    'marina_collection_finished_timestamp_seconds 1002.5',
    'marina_collection_failures 2',
    'marina_collection_oldest_garbage_seconds 60',
  ]) {
    expect(lines).toContain(line);
  }
  last = () => Promise.reject(new Error('no answer'));
  expect(linesOf(await telemetry.render())).toEqual([]);
  expect(failures).toEqual([new Error('no answer')]);
});
