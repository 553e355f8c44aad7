// Bun's pool has one thread per processor unless its size is set before its first use.
import { afterAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { readConfig } from '../src/config.ts';
import { pushBlob, randomBlob } from './support/oci.ts';
import { cleanUp, type Server, startServer } from './support/server.ts';

const CLIENTS = 64;

afterAll(cleanUp);

/** The names of the server's pool threads, after enough work for all of them. */
async function poolOf({ url, process }: Server): Promise<number> {
  await Promise.all(
    Array.from({ length: CLIENTS }, (_, client) => pushBlob(url, `threads/c${client}`, randomBlob(100_000))),
  );
  const threads = `/proc/${process.pid}/task`;
  const names = readdirSync(threads).map((thread) => readFileSync(`${threads}/${thread}/comm`, 'utf8'));
  return names.filter((name) => name.startsWith('Bun Pool')).length;
}

test('the settings bound the number of threads that wait for the disk', async () => {
  // Threads start when they are needed.
  const many = await poolOf(await startServer());
  expect(many).toBeGreaterThan(navigator.hardwareConcurrency);
  expect(many).toBeLessThanOrEqual(readConfig({}).ioThreads);
  expect(await poolOf(await startServer({ IO_THREADS: '4' }))).toBe(4);
});
