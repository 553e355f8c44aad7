// A store that falls silent in the middle of its work, as one does whose machine hangs: connections are taken, and nothing is answered.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { connect } from 'node:net';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY, startMinio, stopObjectStores } from '../support/minio.ts';
import { expectStatus, json, mediaTypes } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';

setDefaultTimeout(120_000);

const REPOSITORIES = 300;
const REQUESTS = 1_000;
/** docs/api.md: "503 with Retry-After after about 10 s"; the rest is for this machine, which may be busy. */
const ANSWERED_WITHIN_MS = 14_000;
const PUSHES_TOGETHER = 20;

const empty = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }, mediaTypes.index);

let objects: ObjectStore;
let server: Server;

const repo = (n: number): string => `team/app-${n % REPOSITORIES}`;

beforeAll(async () => {
  objects = await startMinio();
  await objects.makeBucket('registry-data');
  server = await startServer({
    ...{ STORAGE_DRIVER: 's3', S3_BUCKET: 'registry-data', S3_ENDPOINT: objects.endpoint, S3_FORCE_PATH_STYLE: 'true' },
    ...{ AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY },
  });
  for (let n = 0; n < REPOSITORIES; n += PUSHES_TOGETHER) {
    await Promise.all(Array.from({ length: PUSHES_TOGETHER }, (_, each) => push(n + each, 'v1', 201)));
  }
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await cleanUp();
  await stopObjectStores();
}, 60_000);

function push(n: number, tag: string, status: number) {
  const headers = { 'Content-Type': mediaTypes.index };
  return expectStatus(status, `${server.url}/v2/${repo(n)}/manifests/${tag}`, {
    method: 'PUT',
    headers,
    body: empty.bytes,
  });
}

interface Answered {
  readonly request: string;
  readonly status: number;
  readonly retryAfter: boolean;
  readonly milliseconds: number;
}

/** Over a connection of its own: fetch has 256 of them in this process. */
function ask(method: string, path: string, body?: Uint8Array): Promise<Answered> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    let head = '';
    const socket = connect({ host: '127.0.0.1', port: server.port }, () => {
      const length =
        body === undefined ? '' : `Content-Length: ${body.length}\r\nContent-Type: ${mediaTypes.index}\r\n`;
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: site\r\nConnection: close\r\n${length}\r\n`);
      if (body !== undefined) socket.write(body);
    });
    socket.on('data', (bytes: Buffer) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.destroy();
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
      const milliseconds = performance.now() - begun;
      resolve({ request: `${method} ${path}`, status, retryAfter: /^retry-after: \d+/im.test(head), milliseconds });
    });
    socket.on('error', reject);
    socket.on('end', () => reject(new Error(`${method} ${path} had no answer`)));
  });
}

/** Reads, lists, writes and deletes, in turn. */
function askNth(n: number): Promise<Answered> {
  const base = `/v2/${repo(n)}`;
  switch (n % 5) {
    case 0:
      return ask('GET', `${base}/manifests/v1`);
    case 1:
      return ask('HEAD', `${base}/manifests/${empty.descriptor.digest}`);
    case 2:
      return ask('GET', `${base}/tags/list`);
    case 3:
      return ask('PUT', `${base}/manifests/v2`, empty.bytes);
    default:
      return ask('DELETE', `${base}/manifests/v1`);
  }
}

test('a thousand requests at once all have their 503 after about 10 s, and later ones too', async () => {
  objects.process.kill('SIGSTOP');
  // Each of its threads stops by itself.
  await eventually(async () => expect(await Bun.file(`/proc/${objects.process.pid}/stat`).text()).toContain(') T '));
  const first = Promise.all(Array.from({ length: REQUESTS / 2 }, (_, n) => askNth(n)));
  await Bun.sleep(4_000);
  const second = Promise.all(Array.from({ length: REQUESTS / 2 }, (_, n) => askNth(n + 1)));
  const answers = [...(await first), ...(await second)];
  objects.process.kill('SIGCONT');
  expect(answers.filter(({ status, retryAfter }) => status !== 503 || !retryAfter)).toEqual([]);
  expect(answers.filter(({ milliseconds }) => milliseconds > ANSWERED_WITHIN_MS)).toEqual([]);
});

test('when the store is back all is as before, without a restart', async () => {
  const answers = await Promise.all(
    Array.from({ length: REPOSITORIES }, (_, n) => ask('GET', `/v2/${repo(n)}/manifests/v2`)),
  );
  // Each write may have happened or not: it was answered with 503.
  expect(answers.filter(({ status }) => status !== 200 && status !== 404)).toEqual([]);
  for (let n = 0; n < 5; n++) {
    await push(n, 'v3', 201);
    const read = await expectStatus(200, `${server.url}/v2/${repo(n)}/manifests/v3`);
    expect(read.bytes).toEqual(empty.bytes);
  }
});
