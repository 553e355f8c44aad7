// A store that stops responding, like one whose machine hangs: it accepts connections but answers nothing.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { connect } from 'node:net';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY, startMinio, stopObjectStores } from '../support/minio.ts';
import { expectStatus, json, mediaTypes } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';

setDefaultTimeout(300_000);

const REPOSITORIES = 300;
const REQUESTS = 1_000;
/**
 * docs/api.md: "503 with Retry-After after about 10 s". One that waited for another would take 20 s. On a busy machine both are later by as
 * much as an answer that needs no store.
 */
const ANSWERED_WITHIN_MS = 18_000;
const PUSH_CONCURRENCY = 20;

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
  for (let n = 0; n < REPOSITORIES; n += PUSH_CONCURRENCY) {
    await Promise.all(Array.from({ length: PUSH_CONCURRENCY }, (_, each) => push(n + each, 'v1', 201)));
  }
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await cleanUp();
  await stopObjectStores();
}, 300_000);

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

/** Over a separate connection, because fetch is limited to 256 in this process. */
function send(method: string, path: string, body?: Uint8Array): Promise<Answered> {
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
    socket.on('end', () => reject(new Error(`${method} ${path} got no response`)));
  });
}

/** Reads, lists, writes and deletes, alternating. */
function sendNth(n: number): Promise<Answered> {
  const base = `/v2/${repo(n)}`;
  switch (n % 5) {
    case 0:
      return send('GET', `${base}/manifests/v1`);
    case 1:
      return send('HEAD', `${base}/manifests/${empty.descriptor.digest}`);
    case 2:
      return send('GET', `${base}/tags/list`);
    case 3:
      return send('PUT', `${base}/manifests/v2`, empty.bytes);
    default:
      return send('DELETE', `${base}/manifests/v1`);
  }
}

/** The longest that a request took which needs no store, while the work went on, in milliseconds. */
async function latenessDuring(work: Promise<unknown>): Promise<number> {
  let [isDone, longest] = [false, 0];
  const end = (): void => {
    isDone = true;
  };
  work.then(end, end);
  while (!isDone) {
    longest = Math.max(longest, (await send('GET', '/v2/')).milliseconds);
    await Bun.sleep(20);
  }
  return longest;
}

test('a thousand requests at once all get 503 after about 10 s, and so do later ones', async () => {
  objects.process.kill('SIGSTOP');
  // Its threads stop one by one.
  await eventually(async () => expect(await Bun.file(`/proc/${objects.process.pid}/stat`).text()).toContain(') T '));
  const first = Promise.all(Array.from({ length: REQUESTS / 2 }, (_, n) => sendNth(n)));
  const later = Bun.sleep(4_000).then(() =>
    Promise.all(Array.from({ length: REQUESTS / 2 }, (_, n) => sendNth(n + 1))),
  );
  const all = Promise.all([first, later]);
  const lateness = await latenessDuring(all);
  const answers = (await all).flat();
  objects.process.kill('SIGCONT');
  expect(answers.filter(({ status, retryAfter }) => status !== 503 || !retryAfter)).toEqual([]);
  expect(answers.filter(({ milliseconds }) => milliseconds > ANSWERED_WITHIN_MS + lateness)).toEqual([]);
});

test('when the store is back everything works as before, without a restart', async () => {
  const answers = await Promise.all(
    Array.from({ length: REPOSITORIES }, (_, n) => send('GET', `/v2/${repo(n)}/manifests/v2`)),
  );
  // Each write was answered with 503, so it may have happened or not.
  expect(answers.filter(({ status }) => status !== 200 && status !== 404)).toEqual([]);
  for (let n = 0; n < 5; n++) {
    await push(n, 'v3', 201);
    const read = await expectStatus(200, `${server.url}/v2/${repo(n)}/manifests/v3`);
    expect(read.bytes).toEqual(empty.bytes);
  }
});
