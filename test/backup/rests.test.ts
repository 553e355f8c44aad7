// A backup beside a server on a folder rests while clients use the registry. All threads of the server count.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { ControlClient } from '../../src/control/client.ts';
import { marina } from '../cli/marina.ts';
import { concurrently } from '../support/concurrently.ts';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

/** A backup of them works for more than the 0.4 s until it knows whether there are requests. */
const IMAGES = 2_000;
const THREADS = 2;

const folder = temporaryFolder('backup-rests');
const STORAGE_PATH = join(folder, 'data');
let server: Server;
let made = 0;

beforeAll(async () => {
  server = await startServer({ STORAGE_PATH, THREADS: String(THREADS) });
  const numbers = Array.from({ length: IMAGES }, (_, number) => number);
  await concurrently(8, numbers, async (number) => {
    await pushImage(server.url, `team/app-${number % 20}`, image(), `v${number}`);
  });
});

/** A GET over a connection of its own, which any thread may get. */
async function get(): Promise<void> {
  await expectStatus(200, `${server.url}/v2/`, { keepalive: false });
}

/** @returns its report */
async function backup(...options: readonly string[]): Promise<{ readonly seconds: number; readonly rested: number }> {
  const { code, stdout, stderr } = await marina(
    STORAGE_PATH,
    'backup',
    join(folder, `place-${++made}`),
    '--json',
    ...options,
  );
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

/** Makes requests until the work is done. */
async function whileUsed<T>(work: () => Promise<T>): Promise<T> {
  let isDone = false;
  const requests = (async () => {
    while (!isDone) await get();
  })();
  try {
    return await work();
  } finally {
    isDone = true;
    await requests;
  }
}

test('without requests it does not rest', async () => {
  expect(await backup()).toMatchObject({ rested: 0 });
});

test('while there are requests it rests, and says for how long', async () => {
  const { seconds, rested } = await whileUsed(() => backup());
  expect(rested).toBeGreaterThan(0);
  expect(seconds).toBeGreaterThan(rested);
});

test('it does not rest if it is told to work at full speed', async () => {
  expect(await whileUsed(() => backup('--full-speed'))).toMatchObject({ rested: 0 });
});

test('the server counts the requests of all its threads', async () => {
  const client = (await ControlClient.connect(STORAGE_PATH)) ?? expect.unreachable();
  const before = await client.requests();
  const requests = 40;
  for (let n = 0; n < requests; n++) await get();
  expect(await client.requests()).toBe(before + requests);
});
