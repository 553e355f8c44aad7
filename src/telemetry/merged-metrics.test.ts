import { expect, test } from 'bun:test';
import { MergedMetrics } from './merged-metrics.ts';
import { Telemetry } from './metrics.ts';
import type { MetricsPart } from './metrics-page.ts';

function threadWith(requests: number, views: number, isReadOnly = false): Telemetry {
  const telemetry = new Telemetry();
  telemetry.observe({
    uploadsOpen: () => undefined,
    viewBytes: () => views,
    viewRepositories: () => 1,
    cacheBytes: () => 0,
    pastBytes: () => 0,
    changesWaiting: () => 0,
    isReadOnly: () => isReadOnly,
  });
  for (let request = 0; request < requests; request++) {
    telemetry.requests.begin();
    telemetry.requests.end('manifest', 200, 0.001, 1, 10);
  }
  telemetry.appended(requests);
  return telemetry;
}

/** The value of a series as Prometheus would read it; undefined if there is none. */
function seriesIn(text: string, series: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** As it arrives from another thread. */
async function sent(telemetry: Telemetry): Promise<MetricsPart> {
  return structuredClone(await telemetry.part());
}

test('counts, histograms and sizes of threads are added, and the state of the process is not', async () => {
  const [one, other] = [threadWith(3, 100), threadWith(4, 50, true)];
  const text = await new MergedMetrics(one, [() => sent(other)]).render();
  expect(seriesIn(text, 'marina_requests_total{route="manifest",status="200"}')).toBe(7);
  expect(seriesIn(text, 'marina_bytes_total{direction="out"}')).toBe(70);
  expect(seriesIn(text, 'marina_request_seconds_count{route="manifest",status="200"}')).toBe(7);
  expect(seriesIn(text, 'marina_request_seconds_bucket{route="manifest",status="200",le="0.001"}')).toBe(7);
  expect(seriesIn(text, 'marina_log_append_events_sum')).toBe(7);
  expect(seriesIn(text, 'marina_log_append_events_count')).toBe(2);
  expect(seriesIn(text, 'marina_view_bytes')).toBe(150);
  expect(seriesIn(text, 'marina_read_only')).toBe(1);
  expect(seriesIn(text, 'marina_uploads_open')).toBeUndefined();
  expect(seriesIn(text, 'process_resident_memory_bytes')).toBeLessThan(1.5 * process.memoryUsage.rss());
  expect(seriesIn(text, 'marina_threads')).toBe(2);
  expect(seriesIn(text, 'marina_threads_late')).toBe(0);
});

test('one thread is rendered as it is alone, but for what describes the threads', async () => {
  const telemetry = threadWith(3, 100);
  const series = (text: string): string[] =>
    text
      .split('\n')
      .filter((line) => line !== '' && !/marina_threads|process_/.test(line))
      .sort();
  expect(series(await new MergedMetrics(telemetry, []).render())).toEqual(series(await telemetry.render()));
});

test('a thread that does not answer in time counts with its last values, and no scrape waits longer', async () => {
  const [one, other] = [threadWith(3, 100), threadWith(4, 50)];
  const stuck = Promise.withResolvers<MetricsPart>();
  let asked = 0;
  const answers = [() => sent(other), () => stuck.promise];
  const merged = new MergedMetrics(one, [() => answers[Math.min(asked++, 1)]?.() ?? stuck.promise], 50);
  const requests = async (): Promise<unknown> => {
    const text = await merged.render();
    return [
      seriesIn(text, 'marina_requests_total{route="manifest",status="200"}'),
      seriesIn(text, 'marina_threads_late'),
    ];
  };
  expect(await requests()).toEqual([7, 0]);
  const begun = performance.now();
  expect(await requests()).toEqual([7, 1]);
  expect(await requests()).toEqual([7, 1]);
  expect(performance.now() - begun).toBeLessThan(10_000);
  // It is not asked again before it has answered.
  expect(asked).toBe(2);
  stuck.resolve(await sent(threadWith(10, 0)));
  expect(await requests()).toEqual([13, 0]);
});
