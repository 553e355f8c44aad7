import { afterEach, expect, test } from 'bun:test';
import { eventually } from '../../test/support/eventually.ts';
import { readConfig } from '../config.ts';
import { WorkerThread } from './worker-thread.ts';

const started: WorkerThread[] = [];

afterEach(() => {
  for (const thread of started.splice(0)) thread.end();
});

/** A thread that runs this, and then has nothing more to do. */
function startScript(script: string): ReturnType<typeof start> {
  const code = `self.onmessage = () => {}; ${script}`;
  return start(URL.createObjectURL(new Blob([code], { type: 'application/javascript' })));
}

const LIMITS = {
  total: new SharedArrayBuffer(4),
  clients: new SharedArrayBuffer(4),
  subjects: new SharedArrayBuffer(4),
};
const SESSIONS = { taken: new SharedArrayBuffer(4), ended: new SharedArrayBuffer(4) };
const MEMORY = {
  ...{ heads: new SharedArrayBuffer(12), limits: LIMITS, sessions: SESSIONS, robots: new SharedArrayBuffer(8) },
  notes: new SharedArrayBuffer(16),
};

function start(entry: string): { readonly thread: WorkerThread; readonly lost: string[] } {
  const lost: string[] = [];
  const thread = new WorkerThread({
    entry,
    ...{ index: 1, count: 2, memory: MEMORY, config: readConfig({ THREADS: '3' }) },
    log: { kind: 'pretty', level: 'silent', thread: 1, isColored: false },
    lost: (reason) => lost.push(reason),
  });
  started.push(thread);
  return { thread, lost };
}

const SERVES = new URL('../../test/support/serving-thread.ts', import.meta.url).href;

test('a thread gets its place, the settings and the shared memory, and serves by calls', async () => {
  const { thread, lost } = start(SERVES);
  expect(await thread.serving.listen(5_000)).toBe(5_000 + 1 + 2 + 3);
  expect(await thread.serving.inFlight()).toBe(3);
  const [drained] = await Promise.allSettled([thread.serving.drain(1)]);
  expect(drained).toMatchObject({ reason: { name: 'ConfigError', message: 'PORT cannot be used' } });
  thread.end();
  await Bun.sleep(50);
  expect(lost).toEqual([]);
});

test.each([
  ['throws while it loads', "throw new Error('a defect')", 'a defect'],
  ['throws later', "setTimeout(() => { throw new Error('a defect'); }, 1)", 'a defect'],
  ['leaves a rejection unhandled', "setTimeout(() => Promise.reject(new Error('a defect')), 1)", 'a defect'],
  ['exits', 'setTimeout(() => process.exit(3), 1)', 'it exited with code 3'],
])('a thread that %s is reported once', async (_, script, reason) => {
  const { lost } = startScript(script);
  await eventually(() => expect(lost).toEqual([expect.stringContaining(reason)]));
  await Bun.sleep(50);
  expect(lost).toHaveLength(1);
});
