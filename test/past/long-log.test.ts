// The past of a repository with 100,000 slots.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { expectStatus } from '../support/oci.ts';
import { processorMsOf } from '../support/processor-time.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { LONG, timeOfSlot, writeLongLog } from './long-log.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const SLOTS = 100_000;
const SNAPSHOTS = 10;
/** The last slot before the first snapshot: its state is folded from nothing. */
const WITHOUT_SNAPSHOT = SLOTS / SNAPSHOTS - 1;
/** A page may need this many times as much as folding a tenth of the log. One that reads the whole log needs ten times as much. */
const TENTHS = 4;

let server: Server;

beforeAll(async () => {
  const STORAGE_PATH = temporaryFolder('long');
  // It makes the folder a store.
  await (await startServer({ STORAGE_PATH })).stop();
  await writeLongLog(STORAGE_PATH, SLOTS, SLOTS / SNAPSHOTS);
  // Each thread remembers moments of its own.
  server = await startServer({ STORAGE_PATH, THREADS: '1' });
});

/** @returns how long it took, in milliseconds */
async function read(path: string): Promise<number> {
  const began = performance.now();
  await expectStatus(200, server.url + path);
  return performance.now() - began;
}

/** The processor time that the server needs for a page, in milliseconds: how long it takes depends on what else the machine does. */
async function effortOf(path: string): Promise<number> {
  const before = await processorMsOf(server.process.pid);
  await read(path);
  return (await processorMsOf(server.process.pid)) - before;
}

/** The page of the repository after a slot. */
function pageAt(slot: number): string {
  return `/api/v1/repositories/${LONG}?at=${new Date(timeOfSlot(slot)).toISOString()}`;
}

/** Each time of another moment, which is not remembered. */
let nearby = WITHOUT_SNAPSHOT;
const effortOfTenth = () => effortOf(pageAt(nearby--));

test('a first page, and one of the history of a tag, read a part of the log', async () => {
  await effortOfTenth();
  const tenth = await effortOfTenth();
  const page = await effortOf(pageAt(87_654));
  const history = await effortOf(`/api/v1/repositories/${LONG}/tags/latest/history?n=100`);
  console.log(`a page ${page} ms of processor time, of the history ${history} ms, a tenth of the log ${tenth} ms`);
  expect(Math.max(page, history)).toBeLessThan(TENTHS * tenth);
});

test('a second page comes at once, and other requests are served while a first one is read', async () => {
  const path = pageAt(77_654);
  let isReading = true;
  const reading = read(path).finally(() => {
    isReading = false;
  });
  let longest = 0;
  while (isReading) longest = Math.max(longest, await read('/v2/'));
  const first = await reading;
  const second = Math.min(...(await Array.fromAsync({ length: 5 }, () => read(path))));
  console.log(`first ${first.toFixed(0)} ms, second ${second.toFixed(0)} ms, others up to ${longest.toFixed(0)} ms`);
  expect(second).toBeLessThan(first / 2);
  expect(longest).toBeLessThan(first);
});
