import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Telemetry } from './metrics.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LABEL = /^(?<key>[a-zA-Z_][a-zA-Z0-9_]*)="(?<value>(?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ''; ) {
    const match = LABEL.exec(rest);
    const { key, value } = match?.groups ?? {};
    if (match === null || key === undefined || value === undefined) throw new Error(`no labels: ${rest}`);
    labels[key] = value;
    rest = rest.slice(match[0].length);
  }
  return labels;
}

/** Parses the text format strictly, as Prometheus does. @throws on anything that Prometheus would reject */
function parse(text: string): { samples: Sample[]; types: Map<string, string> } {
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  const helps = new Set<string>();
  expect(text).toEndWith('\n');
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      expect(helps.has(name)).toBe(false);
      helps.add(name);
    } else if (kind === 'TYPE') {
      expect(['counter', 'gauge', 'histogram']).toContain(rest);
      types.set(name, rest);
    } else {
      const sample = /^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/.exec(line)?.groups;
      if (sample === undefined) throw new Error(`no sample: ${line}`);
      const value = Number(sample.value);
      expect(Number.isFinite(value)).toBe(true);
      const metric = sample.name?.replace(/_(bucket|sum|count)$/, '') ?? '';
      expect(types.has(metric) || types.has(sample.name ?? '')).toBe(true);
      samples.push({ name: sample.name ?? '', labels: labelsOf(sample.labels ?? ''), value });
    }
  }
  expect([...types.keys()].sort()).toEqual([...helps].sort());
  const series = samples.map(({ name, labels }) => JSON.stringify([name, labels]));
  expect(new Set(series).size).toBe(series.length);
  return { samples, types };
}

const requests = fc.array(
  fc.record({
    route: fc.constantFrom('ping', 'blob-get', 'manifest-put'),
    status: fc.constantFrom(200, 404, 500),
    seconds: fc.oneof(fc.constantFrom(0, 0.0005, 0.001, 0.5, 10, 10.1), fc.double({ min: 0, max: 20, noNaN: true })),
    received: fc.nat(),
    sent: fc.nat(),
  }),
  { maxLength: 40 },
);

describe('metrics', () => {
  test('of requests match what was counted, in a format that Prometheus reads', async () => {
    await fc.assert(
      fc.asyncProperty(requests, fc.nat({ max: 3 }), async (some, open) => {
        const telemetry = new Telemetry();
        for (let index = 0; index < some.length + open; index++) telemetry.requests.begin();
        for (const { route, status, seconds, received, sent } of some) {
          telemetry.requests.end(route, status, seconds, received, sent);
        }
        const { samples } = parse(await telemetry.render());
        const value = (name: string, labels: Record<string, string> = {}): number =>
          samples.find((each) => each.name === name && Bun.deepEquals(each.labels, labels))?.value ?? 0;
        expect(value('marina_requests_in_flight')).toBe(open);
        expect(telemetry.requests.inFlight).toBe(open);
        expect(value('marina_bytes_total', { direction: 'in' })).toBe(
          some.reduce((sum, each) => sum + each.received, 0),
        );
        expect(value('marina_bytes_total', { direction: 'out' })).toBe(some.reduce((sum, each) => sum + each.sent, 0));
        for (const { route, status } of some) {
          const labels = { route, status: String(status) };
          const same = some.filter((each) => each.route === route && each.status === status);
          expect(value('marina_requests_total', labels)).toBe(same.length);
          expect(value('marina_request_seconds_count', labels)).toBe(same.length);
          expect(value('marina_request_seconds_sum', labels)).toBeCloseTo(
            same.reduce((sum, each) => sum + each.seconds, 0),
          );
          const buckets = samples.filter(
            (each) =>
              each.name === 'marina_request_seconds_bucket' &&
              each.labels.route === route &&
              each.labels.status === labels.status,
          );
          for (const bucket of buckets) {
            const bound = bucket.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(bucket.labels.le);
            expect(bucket.value).toBe(same.filter((each) => each.seconds <= bound).length);
          }
          expect(buckets.at(-1)?.labels.le).toBe('+Inf');
        }
      }),
      { numRuns: 30 },
    );
  });

  test('are the same when they are read twice', async () => {
    const telemetry = new Telemetry();
    telemetry.requests.begin();
    telemetry.requests.end('ping', 200, 0.1, 1, 2);
    telemetry.appended(3);
    expect(await telemetry.render()).toBe(await telemetry.render());
  });

  test('of the log show how many writes shared an append', async () => {
    const telemetry = new Telemetry();
    for (const events of [1, 1, 3, 256]) telemetry.appended(events);
    const { samples, types } = parse(await telemetry.render());
    const value = (name: string, le?: string) =>
      samples.find((each) => each.name === name && each.labels.le === le)?.value;
    expect(types.get('marina_log_append_events')).toBe('histogram');
    expect([value('marina_log_append_events_count'), value('marina_log_append_events_sum')]).toEqual([4, 261]);
    expect([value('marina_log_append_events_bucket', '1'), value('marina_log_append_events_bucket', '4')]).toEqual([
      2, 3,
    ]);
  });

  test('of failed requests are counted by reason, from 0 on', async () => {
    const telemetry = new Telemetry();
    for (const kind of ['storage-full', 'storage-full', 'draining', 'something-new']) telemetry.requestFailed(kind);
    const { samples } = parse(await telemetry.render());
    const failures = samples.filter(({ name }) => name === 'marina_request_failures_total');
    expect(failures.map(({ labels, value }) => [labels.reason, value])).toEqual([
      ['draining', 1],
      ['overloaded', 0],
      ['writes-paused', 0],
      ['unavailable', 0],
      ['storage-full', 2],
      ['log-broken', 0],
      ['content-damaged', 0],
      ['unanswered', 0],
      ['unexpected', 1],
    ]);
  });

  test('that are observed have the values at the time of the scrape', async () => {
    const telemetry = new Telemetry();
    let uploads: number | undefined = 1;
    telemetry.observe({
      uploadsOpen: () => uploads,
      viewBytes: () => 2,
      viewRepositories: () => 3,
      cacheBytes: () => 4,
      pastBytes: () => 5,
      changesWaiting: () => 6,
      isReadOnly: () => true,
    });
    const value = async (name: string) =>
      parse(await telemetry.render()).samples.find((each) => each.name === name)?.value;
    expect(await value('marina_uploads_open')).toBe(1);
    uploads = 7;
    expect(await value('marina_uploads_open')).toBe(7);
    uploads = undefined;
    expect(await value('marina_uploads_open')).toBeUndefined();
    expect(await value('marina_view_bytes')).toBe(2);
    expect(await value('marina_view_repositories')).toBe(3);
    expect(await value('marina_content_cache_bytes')).toBe(4);
    expect(await value('marina_past_bytes')).toBe(5);
    expect(await value('marina_read_only')).toBe(1);
    expect(await value('process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
    expect(telemetry.contentType).toContain('text/plain; version=0.0.4');
  });

  test('of jobs show the counts of the queue, read once per scrape, and the duration of attempts', async () => {
    const telemetry = new Telemetry();
    const counts = [
      { kind: 'one', waiting: 1, active: 2, delayed: 3, failed: 4, oldestSeconds: 5.5 },
      { kind: 'two', waiting: 0, active: 0, delayed: 0, failed: 0, oldestSeconds: 0 },
    ];
    let asked = 0;
    let answer = async () => counts;
    const faults: unknown[] = [];
    telemetry.jobs.observe({
      counts: () => {
        asked++;
        return answer();
      },
      failed: (error) => faults.push(error),
    });
    telemetry.jobs.ended('one', 'failed', 0.2);
    const read = async () => parse(await telemetry.render()).samples;
    const samples = await read();
    const jobs = samples.filter(({ name }) => name === 'marina_jobs');
    expect(jobs.map(({ labels, value }) => [labels.kind, labels.state, value]).slice(0, 5)).toEqual([
      ['one', 'waiting', 1],
      ['one', 'active', 2],
      ['one', 'delayed', 3],
      ['one', 'failed', 4],
      ['two', 'waiting', 0],
    ]);
    const oldest = samples.filter(({ name }) => name === 'marina_job_oldest_seconds');
    expect(oldest.map(({ labels, value }) => [labels.kind, value])).toEqual([
      ['one', 5.5],
      ['two', 0],
    ]);
    expect(samples.find(({ name }) => name === 'marina_job_seconds_sum')).toMatchObject({
      labels: { kind: 'one', outcome: 'failed' },
      value: 0.2,
    });
    expect(asked).toBe(1);
    // If the queue fails, the other metrics are still rendered, and stale counts are not shown.
    answer = () => Promise.reject(new Error('away'));
    const without = await read();
    expect(
      without.filter(({ name }) => name.startsWith('marina_job') && !name.startsWith('marina_job_seconds')),
    ).toEqual([]);
    expect(without.length).toBeGreaterThan(5);
    expect(faults.map(String)).toEqual(['Error: away']);
  });
});
