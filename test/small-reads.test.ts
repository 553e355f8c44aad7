// Reads from memory make no closures, which cost them 2 to 5 % of their time (docs/decisions/0100).
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { z } from 'zod';
import { eventually } from './support/eventually.ts';
import { expectStatus, image, mediaTypes, pushImage } from './support/oci.ts';
import { cleanUp, type Server, startServer } from './support/server.ts';

const READS = 500;
/** For all reads together: the server makes some for other reasons, above all after its start. A closure in every read would be READS. */
const MAX_FUNCTIONS = READS / 2;
const ATTEMPTS = 10;
const REPOSITORY = 'small/reads';
const TAG = 'latest';

const heapCounts = z.object({ requests: z.int(), functions: z.int() });
type HeapCounts = z.infer<typeof heapCounts>;

const pushed = image();
const layer = pushed.blobs[1]?.descriptor.digest ?? '';
let server: Server;

beforeAll(async () => {
  server = await startServer({
    THREADS: '1',
    BUN_OPTIONS: `--preload=${join(import.meta.dir, 'support/heap-counts.ts')}`,
  });
  await pushImage(server.url, REPOSITORY, pushed, TAG);
});
afterAll(cleanUp);

function printed(): readonly HeapCounts[] {
  return [...server.logs().matchAll(/^heap-counts (.*)$/gm)].map(([, json = '']) => heapCounts.parse(JSON.parse(json)));
}

/** What the server has made since the last call. */
async function made(): Promise<HeapCounts> {
  const before = printed().length;
  server.process.kill('SIGUSR2');
  await eventually(() => expect(printed().length).toBe(before + 1));
  const counts = printed()[before];
  if (counts === undefined) throw new Error('the server printed no counts');
  return counts;
}

/** What the server makes for these reads. Counted again if a collection came between, which frees requests too. */
async function madeFor(method: string, path: string): Promise<HeapCounts> {
  const read = () => expectStatus(200, server.url + path, { method, headers: { accept: mediaTypes.manifest } });
  await read();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await made();
    for (let reads = 0; reads < READS; reads++) await read();
    const counts = await made();
    if (counts.requests >= READS) return counts;
  }
  throw new Error(`in ${ATTEMPTS} attempts there was always a collection`);
}

describe('a read from memory makes no closure:', () => {
  test.each([
    ['HEAD', 'of a blob', `/v2/${REPOSITORY}/blobs/${layer}`],
    ['GET', 'of a small blob', `/v2/${REPOSITORY}/blobs/${layer}`],
    ['HEAD', 'of a manifest', `/v2/${REPOSITORY}/manifests/${TAG}`],
    ['GET', 'of a manifest', `/v2/${REPOSITORY}/manifests/${TAG}`],
  ])('%s %s', async (method, _, path) => {
    expect((await madeFor(method, path)).functions).toBeLessThan(MAX_FUNCTIONS);
  });
});
