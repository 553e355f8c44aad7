// Workers as an operator uses them: start, stop and inspection.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { snapshotOf } from '../contract/jobs.contract.ts';
import { attempt, TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { openBullQueue, openBullWorkers } from '../support/jobs.ts';
import { type RedisServer, startRedis, stopRedis } from '../support/redis.ts';
import { cleanUp, projectRoot, startServer, temporaryFolder } from '../support/server.ts';

const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await stopRedis();
  await cleanUp();
});

test.each(['all', 'snapshots', 'uploads', 'collection'])(
  'workers/%s.ts without REDIS_URL ends with one clear line',
  async (name) => {
    const { code, stdout, stderr } = await attempt([bun, `workers/${name}.ts`], { env: { REDIS_URL: '' } });
    expect([code, stdout.length]).toEqual([1, 0]);
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(/^marina: a worker needs REDIS_URL/)]);
  },
);

test('a worker runs scheduled jobs, and stops cleanly on SIGTERM', async () => {
  const { queue } = openBullQueue(redis.url, STORE);
  const worker = Bun.spawn([bun, 'test/support/memory-worker.ts', redis.url, STORE], {
    cwd: projectRoot,
    env: { PATH: process.env.PATH ?? '', LOG_FORMAT: 'json' },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  try {
    let log = '';
    const reading = (async () => {
      for await (const chunk of worker.stdout) log += new TextDecoder().decode(chunk);
    })();
    // The sweep requests the snapshot.
    await eventually(() => expect(log).toContain('"job":"snapshot:team/app","outcome":"done"'));
    expect(log).toContain('a Marina worker is running');
    worker.kill('SIGTERM');
    expect(await worker.exited).toBe(0);
    await reading;
    expect(log).toContain('a snapshot was written');
    expect(log).toContain('"msg":"stopped"');
  } finally {
    worker.kill('SIGKILL');
    await queue.close();
  }
});

test('marina jobs lists jobs and dead letters, and retries one', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('jobs') });
  await server.stop();
  const { store } = await Bun.file(join(server.dataPath, 'format')).json();
  const marina = async (...args: readonly string[]) => {
    const env = { STORAGE_PATH: server.dataPath, REDIS_URL: redis.url };
    const { code, stdout, stderr } = await attempt([bun, 'src/cli/main.ts', 'jobs', ...args], { env });
    return { code, lines: new TextDecoder().decode(stdout).trimEnd().split('\n'), stderr: stderr.trimEnd() };
  };
  const { queue } = openBullQueue(redis.url, store);
  const workers = openBullWorkers(redis.url, store, {
    run: async () => {
      throw new Error('no such \u001b[31mluck');
    },
  });
  await queue.enqueue(snapshotOf('team/app'));
  await eventually(async () => expect(await queue.deadLetters(1)).toHaveLength(1));
  await workers.close();

  const counts = await marina();
  expect(counts.code).toBe(0);
  expect(counts.lines[0]).toMatch(/^kind +waiting +active +delayed +failed +oldest$/);
  expect(counts.lines).toContainEqual(expect.stringMatching(/^snapshot +0 +0 +0 +1 +0\.0 s$/));
  const [letter = ''] = (await marina('--failed')).lines;
  const [id = ''] = /snapshot:\S+/.exec(letter) ?? [];
  expect(letter).toContain('{"kind":"snapshot","repo":"team/app"}  3 x  no such \\u{1b}[31mluck');
  expect(JSON.parse((await marina('--failed', '--json')).lines[0] ?? '')).toMatchObject({ id, attempts: 3 });

  expect(await marina('--retry', 'snapshot:no-such')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no-such'),
  });
  expect(await marina('--retry', id)).toMatchObject({ code: 0, lines: [`${id} is queued again`] });
  expect((await marina('--failed')).lines).toEqual(['there are no dead letters']);
  expect((await marina('--json')).lines.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ kind: 'snapshot', waiting: 1, failed: 0 }),
  );
  await queue.close();
});

test.each([
  ['', 'REDIS_URL is not set'],
  ['ftp://there', 'REDIS_URL cannot be used: redis://'],
  ['redis://127.0.0.1:1', 'the job queues cannot be read: Redis did not answer'],
])('marina jobs with REDIS_URL=%s reports the fault in one line', async (url, message) => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('jobs') });
  await server.stop();
  const env = { STORAGE_PATH: server.dataPath, REDIS_URL: url };
  const { code, stdout, stderr } = await attempt([bun, 'src/cli/main.ts', 'jobs'], { env });
  expect([code, stdout.length]).toEqual([2, 0]);
  expect(stderr.trimEnd().split('\n')).toEqual([expect.stringContaining(message)]);
});
