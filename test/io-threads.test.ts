// Bun's pool has one thread for each processor unless its size is set before it is first used.
import { afterAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { readConfig } from '../src/config.ts';
import { pushBlob, randomBlob } from './support/oci.ts';
import { cleanUp, type Server, startServer } from './support/server.ts';

const CLIENTS = 64;

afterAll(cleanUp);

/** Names of the server's threads that belong to the pool, after all of them had something to do. */
async function poolOf({ url, process }: Server): Promise<number> {
  await Promise.all(
    Array.from({ length: CLIENTS }, (_, client) => pushBlob(url, `threads/c${client}`, randomBlob(100_000))),
  );
  const threads = `/proc/${process.pid}/task`;
  const names = readdirSync(threads).map((thread) => readFileSync(`${threads}/${thread}/comm`, 'utf8'));
  return names.filter((name) => name.startsWith('Bun Pool')).length;
}

test('the settings bound the number of threads that wait for the disk', async () => {
  // They are started as they are needed.
  const many = await poolOf(await startServer());
  expect(many).toBeGreaterThan(navigator.hardwareConcurrency);
  expect(many).toBeLessThanOrEqual(readConfig({}).ioThreads);
  expect(await poolOf(await startServer({ IO_THREADS: '4' }))).toBe(4);
});
