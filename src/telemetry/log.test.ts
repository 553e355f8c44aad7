import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests, repositoryNames, tags } from '../../test/support/generators.ts';
import { projectRoot } from '../../test/support/server.ts';
import { within } from '../../test/support/within.ts';
import type { AccessEntry } from './log.ts';
import type { RequestLabels } from './request-labels.ts';

const SOON_MS = 20_000;

const bun = `${projectRoot}/node_modules/.bin/bun`;

/** Runs a process that logs like this and ends. @returns its standard output */
async function outputOf(script: string, input: unknown = null): Promise<string> {
  const program = `import { openLogs } from './src/telemetry/log.ts';
    import { RequestLabels } from './src/telemetry/request-labels.ts';
    const input = JSON.parse(await Bun.stdin.text());
    ${script}`;
  const child = Bun.spawn([bun, '-e', program], {
    cwd: projectRoot,
    env: { PATH: process.env.PATH ?? '', NO_COLOR: '1' },
    stdin: new Blob([JSON.stringify(input)]),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect([code, errors]).toEqual([0, '']);
  return output;
}

function linesOf(output: string): unknown[] {
  expect(output).toEndWith('\n');
  return output
    .slice(0, -1)
    .split('\n')
    .map((line): unknown => JSON.parse(line));
}

/** Any request that could be logged. The path may be any text. */
const entries: fc.Arbitrary<Omit<AccessEntry, 'labels'> & Omit<RequestLabels, 'jsonWith'>> = fc
  .record({
    client: fc.option(fc.oneof(fc.ipV4(), fc.ipV6()), { nil: undefined }),
    actor: fc.oneof(fc.constant('anonymous'), fc.string({ unit: 'binary' })),
    rule: fc.option(fc.nat(), { nil: undefined }),
    method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'),
    path: fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('/v2/"},{"', '/\\', '/\u0000\u001f', '/\u2028\u2029', '/\ud800', '/%00', '/é😀', '\n'),
    ),
    repository: fc.option(repositoryNames, { nil: undefined }),
    reference: fc.option(tags, { nil: undefined }),
    digest: fc.option(digests, { nil: undefined }),
    status: fc.integer({ min: 100, max: 599 }),
    bytesIn: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    bytesOut: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    milliseconds: fc.nat({ max: 1_000_000_000 }).map((microseconds) => microseconds / 1000),
  })
  .map((entry) => ({ ...entry, requestId: 'id-1', route: 'ping' }));

const sendAll = `const logs = await openLogs({ level: 'info', format: 'json' });
  for (const { method, path, route, repository, reference, ...entry } of input) {
    logs.access?.({ labels: new RequestLabels(method, path, route, repository, reference), ...entry });
  }
  logs.flush();
  process.exit(0);`;

describe('the access log', () => {
  test('has one line of JSON for each request, with every field, for any path', async () => {
    const some = fc.sample(entries, 300);
    const begun = Date.now();
    const lines = linesOf(await outputOf(sendAll, some));
    expect(lines).toHaveLength(300);
    for (const [index, line] of lines.entries()) {
      // JSON drops undefined fields and keeps a lone surrogate.
      const { milliseconds, ...expected } = JSON.parse(JSON.stringify(some[index]));
      expect(line).toMatchObject({ ...expected, level: 30, msg: 'request' });
      expect(Object.keys(expected).filter((key) => !(key in Object(line)))).toEqual([]);
      expect(line).toHaveProperty('milliseconds', milliseconds);
      expect(line).toHaveProperty('time', expect.any(Number));
      expect(Number(Object(line).time)).toBeGreaterThanOrEqual(begun);
    }
  });

  test('loses no line at the end of the process', async () => {
    const script = `const logs = await openLogs({ level: 'info', format: 'json' });
      for (let index = 0; index < input; index++) logs.logger.info({ index }, 'line');
      logs.flush();
      process.exit(0);`;
    for (const count of [1, 50_000]) {
      const lines = linesOf(await outputOf(script, count));
      expect(lines.map((line) => Number(Object(line).index))).toEqual(
        Array.from({ length: count }, (_, index) => index),
      );
    }
  });

  test('is written within a moment, while the process still runs', async () => {
    const script = `const logs = await openLogs({ level: 'info', format: 'json' });
      logs.logger.info('soon');
      setInterval(() => {}, 1000);`;
    const child = Bun.spawn([bun, '-e', `import { openLogs } from './src/telemetry/log.ts'; ${script}`], {
      cwd: projectRoot,
      stdout: 'pipe',
    });
    const first = await within(SOON_MS, child.stdout.getReader().read());
    child.kill('SIGKILL');
    await child.exited;
    expect(linesOf(new TextDecoder().decode(first?.value))).toEqual([expect.objectContaining({ msg: 'soon' })]);
  });

  test('keeps its order with lines longer than the buffer, and with other logging', async () => {
    const script = `const logs = await openLogs({ level: 'info', format: 'json' });
      for (const length of input) logs.logger.info({ length }, 'é'.repeat(length));
      logs.flush();
      process.exit(0);`;
    const lengths = [1, 30_000, 5, 200_000, 7, 65_536, 1_000_000, 2];
    const lines = linesOf(await outputOf(script, lengths));
    expect(lines.map((line) => String(Object(line).msg).length)).toEqual(lengths);
  });

  test('is silent below its level, and other lines follow the same level', async () => {
    const script = `const logs = await openLogs({ level: input, format: 'json' });
      logs.access?.({ requestId: 'x', client: '192.0.2.1', actor: 'anonymous', labels: new RequestLabels('GET', '/', 'ping'), status: 200, bytesIn: 0, bytesOut: 0, milliseconds: 1 });
      logs.logger.info('info');
      logs.logger.error({ err: new Error('broken') }, 'error');
      logs.flush();
      process.exit(0);`;
    const messages = async (level: string) => {
      const output = await outputOf(script, level);
      return output === '' ? [] : linesOf(output).map((line) => String(Object(line).msg));
    };
    expect(await messages('info')).toEqual(['request', 'info', 'error']);
    expect(await messages('error')).toEqual(['error']);
    expect(await messages('silent')).toEqual([]);
  });

  test('waits for a slow reader, however far behind it is, and loses nothing', async () => {
    const script = `import { openLogs } from './src/telemetry/log.ts';
      const logs = await openLogs({ level: 'info', format: 'json' });
      for (let index = 0; index < 20_000; index++) logs.logger.info({ index }, 'x'.repeat(1500));
      logs.flush();
      process.exit(0);`;
    const child = Bun.spawn(['sh', '-c', '"$0" -e "$1" | { sleep 0.3; cat; }', bun, script], {
      cwd: projectRoot,
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(errors).toBe('');
    expect(linesOf(output).map((line) => Number(Object(line).index))).toEqual([...Array(20_000).keys()]);
  });

  test('survives a reader that closes', async () => {
    const script = `const logs = await openLogs({ level: 'info', format: 'json' });
      for (let index = 0; index < 200_000; index++) logs.logger.info({ index }, 'line');
      logs.flush();
      console.error('alive');
      process.exit(0);`;
    const child = Bun.spawn(
      [
        'sh',
        '-c',
        'exec 3>&2; "$0" -e "$1" 2>&3 | head -n 1',
        bun,
        `import { openLogs } from './src/telemetry/log.ts'; ${script}`,
      ],
      { cwd: projectRoot, stdout: 'pipe', stderr: 'pipe' },
    );
    const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect(linesOf(output)).toEqual([expect.objectContaining({ index: 0 })]);
    expect(errors).toBe('alive\n');
  });

  test('is readable on a terminal', async () => {
    const script = `const logs = await openLogs({ level: 'info', format: 'pretty' });
      logs.access?.({ labels: new RequestLabels('GET', input, 'manifest-get', 'a/b', 'v1'), requestId: 'x', digest: undefined,
        client: '192.0.2.1', actor: 'anonymous',
        status: 200, bytesIn: 0, bytesOut: 12, milliseconds: 0.30639499999996112 });
      logs.flush();
      process.exit(0);`;
    const output = await outputOf(script, '/v2/a/b/manifests/v1?\x1b[2J');
    expect(output).toMatch(/^\[[\d:.]+\] INFO: GET \/v2\/a\/b\/manifests\/v1\?\\u001b\[2J 200 in 0\.306 ms \{.*\}\n$/);
    expect(JSON.parse(output.slice(output.indexOf('{')))).toEqual({
      route: 'manifest-get',
      repository: 'a/b',
      reference: 'v1',
      requestId: 'x',
      client: '192.0.2.1',
      actor: 'anonymous',
      bytesIn: 0,
      bytesOut: 12,
    });
  });
});

describe('an error in the log', () => {
  test('has its reason, its place and its fields', async () => {
    const script = `const { logger, flush } = await openLogs({ level: 'info', format: 'json' });
      logger.error({ err: Object.assign(new Error('too many'), { count: 3 }) }, 'failed');
      flush();`;
    expect(linesOf(await outputOf(script))).toEqual([
      expect.objectContaining({
        err: expect.objectContaining({ message: 'too many', stack: expect.any(String), count: 3 }),
      }),
    ]);
  });

  test.each(['json', 'pretty'])('has its reason if a module cannot be loaded, as %s', async (format) => {
    const script = `const { logger, flush } = await openLogs({ level: 'info', format: '${format}' });
      await import('./src/missing.ts').catch((error) => logger.error({ err: error }, 'failed'));
      flush();`;
    expect(await outputOf(script)).toContain('Cannot find module');
  });
});
