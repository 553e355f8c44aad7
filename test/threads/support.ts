// A server with several threads, and requests that reach all of them.
import { expect } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { expectStatus } from '../support/oci.ts';
import { projectRoot, type Server } from '../support/server.ts';

/** On a connection of its own, which the system gives to any thread. */
export const NEW_CONNECTION: RequestInit = { keepalive: false, headers: { connection: 'close' } };

/**
 * Series of /metrics by name and labels, as any thread answers. An answer with old numbers of a thread, which was late on a
 * busy machine, says so; then they are asked for again.
 */
export async function metricsOf(url: string, init: BunFetchRequestInit = {}): Promise<ReadonlyMap<string, number>> {
  let metrics: ReadonlyMap<string, number> = new Map();
  await eventually(async () => {
    metrics = await metricsNow(url, init);
    expect(metrics.get('marina_threads_late') ?? 0).toBe(0);
  });
  return metrics;
}

async function metricsNow(url: string, init: BunFetchRequestInit): Promise<ReadonlyMap<string, number>> {
  const { bytes } = await expectStatus(200, `${url}/metrics`, { ...NEW_CONNECTION, ...init });
  const lines = new TextDecoder().decode(bytes).split('\n');
  return new Map(
    lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** Requests that each thread has served. */
export async function requestsOf(url: string): Promise<readonly number[]> {
  const requests: number[] = [];
  for (const [series, value] of await metricsOf(url)) {
    const [, thread] = /^marina_thread_requests_total\{thread="(\d+)"\}$/.exec(series) ?? [];
    if (thread !== undefined) requests[Number(thread)] = value;
  }
  return requests;
}

/** Lines of the log, all of which must be whole. The end of the last one may not be written yet. */
export function logOf(server: Server): readonly Readonly<Record<string, unknown>>[] {
  return server
    .logs()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** What a server that does not start writes to stderr. */
export async function refusal(env: Readonly<Record<string, string>>): Promise<string> {
  const server = Bun.spawn([`${projectRoot}/node_modules/.bin/bun`, 'src/main.ts'], {
    cwd: projectRoot,
    env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'silent', ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors, code] = await Promise.all([
    new Response(server.stdout).text(),
    new Response(server.stderr).text(),
    server.exited,
  ]);
  if (code !== 1 || output !== '') throw new Error(`exit code ${code}, ${output}${errors}`);
  return errors;
}
