// Bun's pool has one thread per processor unless UV_THREADPOOL_SIZE says otherwise when the process starts.
import { afterAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { readConfig } from '../src/config.ts';
import { codeOf } from '../src/system/error-code.ts';
import { run } from './support/command.ts';
import { eventually } from './support/eventually.ts';
import { pushBlob, randomBlob } from './support/oci.ts';
import { cleanUp, projectRoot, type Server, startServer, temporaryFolder } from './support/server.ts';

const CLIENTS = 64;
const WARNING = 'IO_THREADS has no effect';

afterAll(cleanUp);

/** The names of the server's pool threads, after enough work for all of them. */
async function poolOf({ url, process }: Server): Promise<number> {
  await Promise.all(
    Array.from({ length: CLIENTS }, (_, client) => pushBlob(url, `threads/c${client}`, randomBlob(100_000))),
  );
  const threads = `/proc/${process.pid}/task`;
  const names = readdirSync(threads).map((thread) => nameOf(`${threads}/${thread}`));
  return names.filter((name) => name?.startsWith('Bun Pool')).length;
}

/** @returns undefined for a thread that has ended since it was listed, as those of JavaScriptCore do */
function nameOf(thread: string): string | undefined {
  try {
    return readFileSync(`${thread}/comm`, 'utf8');
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

test('the settings bound the number of threads that wait for the disk', async () => {
  // Threads start when they are needed.
  const server = await startServer();
  const many = await poolOf(server);
  expect(many).toBeGreaterThan(navigator.hardwareConcurrency);
  expect(many).toBeLessThanOrEqual(readConfig({}).ioThreads);
  expect(server.logs()).not.toContain(WARNING);
  expect(await poolOf(await startServer({ IO_THREADS: '4' }))).toBe(4);
});

test('a server that was started in another way warns that the setting has no effect', async () => {
  const server = await startServer({ IO_THREADS: '4', UV_THREADPOOL_SIZE: '' });
  const warning = `${WARNING}: start with npm start, or set UV_THREADPOOL_SIZE=4`;
  await eventually(() => expect(server.logs()).toContain(warning));
});

describe('IO_THREADS reaches Bun through', () => {
  const { start, worker, marina } = packageJson.scripts;
  const dockerfile = readFileSync(join(projectRoot, 'Dockerfile'), 'utf8');
  const inImage = (instruction: string): string[] =>
    JSON.parse(new RegExp(`^${instruction} (.*)$`, 'm').exec(dockerfile)?.[1] ?? '[]');
  test.each([
    ['npm start', ['sh', '-c', start], 'src/main.ts'],
    ['npm run worker', ['sh', '-c', worker], 'workers/all.ts'],
    ['npm run marina', ['sh', '-c', marina], 'src/cli/main.ts'],
    ['the image', [...inImage('ENTRYPOINT'), ...inImage('CMD')], 'src/main.ts'],
  ])('%s', async (_, command, entry) => {
    // Prints what the real one would be given.
    const folder = temporaryFolder('bun');
    writeFileSync(join(folder, 'bun'), '#!/bin/sh\necho "$UV_THREADPOOL_SIZE $*"\n', { mode: 0o755 });
    const env = { PATH: `${folder}:${process.env.PATH}` };
    expect(await run(command, { env: { ...env, IO_THREADS: '' } })).toBe(`${readConfig({}).ioThreads} ${entry}\n`);
    expect(await run(command, { env: { ...env, IO_THREADS: '7' } })).toBe(`7 ${entry}\n`);
  });
});
