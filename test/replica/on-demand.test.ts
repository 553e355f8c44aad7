// A replica that cannot copy: clients get from its source what is not here yet, verified.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { becomesCurrent, becomesEqual, expectPull, replicaOf, startReplica } from './replicas.ts';

setDefaultTimeout(300_000);

const REPO = 'team/app';
const pushed = image({ layers: [randomBlob(300_000), randomBlob(100)] });
const [layer] = pushed.blobs.slice(1);
/** What the path of a request must not have, so that it is forwarded. */
let blocked: RegExp | undefined;
let flipsByte = false;
let isOver = false;
let primary: Server;
let proxy: ReturnType<typeof Bun.serve>;

beforeAll(async () => {
  primary = await startServer();
  await pushImage(primary.url, REPO, pushed, 'v1');
  proxy = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 60,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      if (blocked?.test(pathname)) return new Response(null, { status: 503 });
      const { method, headers, signal } = request;
      if (isOver) return new Response(null, { status: 503 });
      const answer = await fetch(`${primary.url}${pathname}${search}`, { method, headers, signal, redirect: 'manual' });
      if (method === 'HEAD') return answer;
      const bytes = new Uint8Array(await answer.arrayBuffer());
      if (flipsByte && pathname.includes('/blobs/')) bytes[1_000] = (bytes[1_000] ?? 0) ^ 1;
      return new Response(bytes, { status: answer.status, headers: answer.headers });
    },
  });
});

afterAll(async () => {
  isOver = true;
  await cleanUp();
  await proxy.stop(true);
});

test('content that was not copied yet is fetched for the client, and later copied', async () => {
  if (layer === undefined) return expect.unreachable();
  blocked = /\/replication\/slots/;
  const settings = replicaOf(`http://127.0.0.1:${proxy.port}`);
  const copy = await startReplica(settings);
  const blob = `${copy.url}/v2/${REPO}/blobs/${layer.descriptor.digest}`;
  await expectPull(copy.url, REPO, 'v1', pushed);
  const head = await expectStatus(200, blob, { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe(String(layer.descriptor.size));
  const range = await expectStatus(206, blob, { headers: { range: 'bytes=100000-100009' } });
  expect(Buffer.compare(range.bytes, layer.bytes.subarray(100_000, 100_010))).toBe(0);
  await expectStatus(404, `${copy.url}/v2/${REPO}/manifests/none`);
  await expectStatus(404, `${copy.url}/v2/team/none/manifests/v1`);

  // A client must not take damaged bytes for the blob.
  flipsByte = true;
  const damaged = fetch(blob).then(async (answer) => await answer.bytes());
  expect(await damaged.catch(() => 'broken off')).toBe('broken off');
  flipsByte = false;

  // Nothing was copied and the source does not answer: this replica cannot say whether something exists.
  blocked = /./;
  await expectStatus(503, `${copy.url}/v2/${REPO}/manifests/v1`);
  blocked = undefined;
  await becomesEqual(settings, 3);
  await becomesCurrent(copy);
  blocked = /./;
  await expectPull(copy.url, REPO, 'v1', pushed);
  await eventually(async () => void (await expectStatus(404, `${copy.url}/v2/${REPO}/manifests/none`)));
});
