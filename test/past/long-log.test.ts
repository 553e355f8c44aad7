// The past of a repository with 100,000 slots.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { expectStatus } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { LONG, timeOfSlot, writeLongLog } from './long-log.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const SLOTS = 100_000;
/** A second alone; the tests may share the machine. */
const FIRST_PAGE_MS = 5_000;

let server: Server;

beforeAll(async () => {
  const STORAGE_PATH = temporaryFolder('long');
  // It makes the folder a store.
  await (await startServer({ STORAGE_PATH })).stop();
  await writeLongLog(STORAGE_PATH, SLOTS, SLOTS / 10);
  // Each thread remembers moments of its own.
  server = await startServer({ STORAGE_PATH, THREADS: '1' });
});

/** @returns how long it took, in milliseconds */
async function read(path: string): Promise<number> {
  const began = performance.now();
  await expectStatus(200, server.url + path);
  return performance.now() - began;
}

test('a first page comes soon, a second one at once, and other requests are served meanwhile', async () => {
  const moment = new Date(timeOfSlot(87_654)).toISOString();
  const path = `/api/v1/repositories/${LONG}?at=${moment}`;
  let isReading = true;
  const reading = read(path).finally(() => {
    isReading = false;
  });
  let longest = 0;
  while (isReading) longest = Math.max(longest, await read('/v2/'));
  const first = await reading;
  const second = await read(path);
  console.log(`first ${first.toFixed(0)} ms, second ${second.toFixed(0)} ms, others up to ${longest.toFixed(0)} ms`);
  expect(first).toBeLessThan(FIRST_PAGE_MS);
  expect(second).toBeLessThan(first / 2);
  expect(longest).toBeLessThan(first);
});

test('a page of the history of a tag does not wait for the whole log', async () => {
  expect(await read(`/api/v1/repositories/${LONG}/tags/latest/history?n=100`)).toBeLessThan(FIRST_PAGE_MS);
});
