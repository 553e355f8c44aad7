// Settings that concern every thread: files that are read again, TLS, the ports beside PORT.
import { afterAll, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { basic, writeAccessFiles } from '../access/world.ts';
import { attempt, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, freePort, startServer } from '../support/server.ts';
import { Authority, CertificateFiles } from '../tls/authority.ts';
import { expectSent, fromAllThreads, send } from './connections.ts';
import { logOf, metricsOf } from './support.ts';

afterAll(cleanUp);

const RULES = (actions: string): string => `rules:\n  - { who: pusher, repositories: ['**'], actions: [${actions}] }\n`;

test('a changed ACCESS_FILE is in use on all threads, and the metrics show one file', async () => {
  const files = writeAccessFiles(RULES('pull'));
  const metricsPort = String(freePort());
  const server = await startServer({ ...files.env, THREADS: '4', METRICS_PORT: metricsPort });
  const metrics = `http://127.0.0.1:${metricsPort}`;
  const authorization = basic('pusher');
  const upload = async (): Promise<number> =>
    (await send(`${server.url}/v2/app/blobs/uploads/`, { method: 'POST', headers: { authorization } })).status;
  expect(await fromAllThreads(upload)).toEqual(new Set([403]));
  const text = RULES('pull, push');
  writeFileSync(files.rules, text);
  await eventually(async () => expect(await fromAllThreads(upload)).toEqual(new Set([202])));
  const hash = createHash('sha256').update(text).digest('hex');
  // So many connections may miss a thread.
  await eventually(async () => {
    const series = await metricsOf(metrics);
    expect(series.get(`marina_config_file_info{file="ACCESS_FILE",hash="${hash}"}`)).toBe(1);
    expect(series.get('marina_config_file_current{file="ACCESS_FILE"}')).toBe(1);
    expect(series.get('marina_config_file_reloads_total{file="ACCESS_FILE",result="loaded"}')).toBe(1);
  });
  writeFileSync(files.rules, 'rules: nonsense\n');
  await eventually(async () => {
    const now = await metricsOf(metrics);
    expect(now.get('marina_config_file_current{file="ACCESS_FILE"}')).toBe(0);
  });
  // What the settings are is logged once at the start, not by each thread.
  expect(logOf(server).filter(({ msg }) => msg === 'rules were read from ACCESS_FILE')).toHaveLength(1);
});

test('SIGHUP, which makes other servers read their files again, ends nothing', async () => {
  const server = await startServer({ THREADS: '2' });
  server.process.kill('SIGHUP');
  await eventually(async () => {
    expect(server.logs()).toContain('the signal is ignored');
  });
  await expectSent(200, `${server.url}/v2/`);
  expect(await server.stop()).toBe(0);
});

test(
  'every thread ends TLS with the same certificate, and with a changed one',
  async () => {
    const authority = await Authority.open();
    const files = new CertificateFiles(await authority.issue());
    const server = await startServer({ ...files.env, THREADS: '3' });
    const tls = { ca: authority.pem };
    for (let request = 0; request < 60; request++) await expectSent(200, `${server.url}/v2/`, { tls });
    const series = await metricsOf(server.url, { tls });
    const byThread = [0, 1, 2].map((thread) => series.get(`marina_thread_requests_total{thread="${thread}"}`) ?? 0);
    expect(byThread.filter((requests) => requests > 3)).toHaveLength(3);
    const next = await authority.issue();
    files.write(next);
    const [openssl] = await tools('openssl');
    const served = async (): Promise<string> => {
      const { stdout } = await attempt([openssl, 's_client', '-connect', server.host, '-showcerts']);
      return new TextDecoder().decode(stdout);
    };
    const [, first = ''] = next.cert.split('\n');
    await eventually(async () => {
      for (const answer of await fromAllThreads(served, 9)) expect(answer).toContain(first);
    }, 30_000);
  },
  TOOLS_WITHIN_MS,
);

test('lines of the log are whole, with many requests on all threads and a line longer than any buffer', async () => {
  const server = await startServer({ THREADS: '4' });
  await pushImage(server.url, 'app', image(), 'v1');
  const requests = 2_000;
  const ask = async (client: number): Promise<void> => {
    for (let each = 0; each < requests / 20; each++) {
      const query = `x=${'x'.repeat(each % 10 === 0 ? 7_000 : 10)}`;
      await expectSent(200, `${server.url}/v2/app/tags/list?${query}&client=${client}`);
    }
  };
  await Promise.all(Array.from({ length: 20 }, (_, client) => ask(client)));
  server.process.kill('SIGTERM');
  await server.process.exited;
  const lists = logOf(server).filter(({ msg, path }) => msg === 'request' && String(path).includes('/tags/list'));
  expect(lists).toHaveLength(requests);
  expect(new Set(lists.map(({ requestId }) => requestId)).size).toBe(requests);
  await server.stop();
});
