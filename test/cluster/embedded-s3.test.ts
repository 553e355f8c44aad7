// The embedded shape on a bucket, without Redis: as in README's MinIO example, and with two nodes at once, as in a rolling deploy.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { marinaCommand } from '../cli/marina.ts';
import { pageOf, readUntil } from '../feed/client.ts';
import { attempt, TOOLS_WITHIN_MS } from '../support/command.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY, startMinio, stopObjectStores } from '../support/minio.ts';
import {
  abandonUpload,
  expectStatus,
  type Image,
  image,
  pushBlob,
  pushImage,
  pushManifest,
  randomBlob,
} from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';

const ROUNDS = 25;

let objects: ObjectStore;
let settings: Readonly<Record<string, string>>;
let nodes: readonly [Server, Server];

beforeAll(async () => {
  objects = await startMinio({ tls: true });
  await objects.makeBucket('registry-data');
  settings = {
    STORAGE_DRIVER: 's3',
    S3_BUCKET: 'registry-data',
    S3_ENDPOINT: objects.endpoint,
    S3_FORCE_PATH_STYLE: 'true',
    S3_INSECURE_SKIP_VERIFY: 'true',
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
  };
  nodes = await Promise.all([startServer(settings), startServer(settings)]);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await cleanUp();
  await stopObjectStores();
});

function manifestOf(node: Server, repo: string, reference: string) {
  return expectStatus(200, `${node.url}/v2/${repo}/manifests/${reference}`);
}

async function tagsOf(node: Server, repo: string): Promise<readonly string[]> {
  return JSON.parse(new TextDecoder().decode((await expectStatus(200, `${node.url}/v2/${repo}/tags/list`)).bytes)).tags;
}

test('over TLS with a private CA, pushed content survives a restart', async () => {
  const pushed = image({ layers: [randomBlob(6_000_000)] });
  const { STORAGE_DRIVER: driver = '', ...rest } = settings;
  const first = await startServer({ ...rest, STORAGE_TYPE: driver, S3_PREFIX: 'restarted' });
  await pushImage(first.url, 'team/kept', pushed, 'v1');
  expect(await first.stop()).toBe(0);
  const second = await startServer({ ...settings, S3_PREFIX: 'restarted' });
  expect((await manifestOf(second, 'team/kept', 'v1')).bytes).toEqual(pushed.bytes);
  const [layer = pushed] = pushed.blobs.filter(({ bytes }) => bytes.length === 6_000_000);
  const served = await expectStatus(200, `${second.url}/v2/team/kept/blobs/${layer.descriptor.digest}`);
  expect(served.bytes).toEqual(layer.bytes);
});

test('each push to one of two nodes can be read from the other immediately', async () => {
  let last: Image | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const [here, there] = round % 2 === 0 ? nodes : [nodes[1], nodes[0]];
    const pushed = image({ layers: [randomBlob(1_000)] });
    // Read before, so that the other node has a view that the push makes stale.
    if (last !== undefined) expect((await manifestOf(there, 'team/app', 'latest')).bytes).toEqual(last.bytes);
    await pushImage(here.url, 'team/app', pushed, `v${String(round).padStart(2, '0')}`);
    await pushManifest(here.url, 'team/app', pushed, 'latest');
    expect((await manifestOf(there, 'team/app', 'latest')).bytes).toEqual(pushed.bytes);
    const expected = ['latest', ...Array.from({ length: round + 1 }, (_, each) => `v${String(each).padStart(2, '0')}`)];
    expect(await tagsOf(there, 'team/app')).toEqual(expected);
    last = pushed;
  }
});

test('concurrent pushes to one repository through both nodes lose nothing', async () => {
  const pushes = Array.from({ length: 2 * ROUNDS }, (_, each) => {
    const node = nodes[each % 2 === 0 ? 0 : 1];
    return pushImage(node.url, 'team/both', image({ layers: [randomBlob(500)] }), `t${String(each).padStart(2, '0')}`);
  });
  await Promise.all(pushes);
  const expected = pushes.map((_, each) => `t${String(each).padStart(2, '0')}`);
  for (const node of nodes) expect(await tagsOf(node, 'team/both')).toEqual(expected);
});

test('a tag and a blob deleted through one node are unknown to the other', async () => {
  const [one, two] = nodes;
  const lone = randomBlob(100);
  await pushImage(one.url, 'team/gone', image(), 'v1');
  await pushBlob(one.url, 'team/gone', lone);
  const blob = `/v2/team/gone/blobs/${lone.descriptor.digest}`;
  await expectStatus(200, two.url + blob);
  await manifestOf(two, 'team/gone', 'v1');
  await expectStatus(202, one.url + blob, { method: 'DELETE' });
  await expectStatus(202, `${two.url}/v2/team/gone/manifests/v1`, { method: 'DELETE' });
  await expectStatus(404, two.url + blob);
  await expectStatus(404, `${one.url}/v2/team/gone/manifests/v1`);
  expect(await tagsOf(one, 'team/gone')).toEqual([]);
});

test('an upload started on one node continues on the other', async () => {
  const [one, two] = nodes;
  const blob = randomBlob(9_000_000);
  const { headers } = await expectStatus(202, `${one.url}/v2/team/hops/blobs/uploads/`, { method: 'POST' });
  const location = headers.get('location') ?? '';
  const half = 4_000_001;
  await expectStatus(202, two.url + location, { method: 'PATCH', body: blob.bytes.slice(0, half) });
  const range = (await expectStatus(204, one.url + location)).headers.get('range');
  expect(range).toBe(`0-${half - 1}`);
  await expectStatus(202, one.url + location, { method: 'PATCH', body: blob.bytes.slice(half) });
  await expectStatus(201, `${two.url}${location}?digest=${blob.descriptor.digest}`, { method: 'PUT' });
  expect((await expectStatus(200, `${one.url}/v2/team/hops/blobs/${blob.descriptor.digest}`)).bytes).toEqual(
    blob.bytes,
  );
});

test('gc removes expired uploads in a bucket; a dry run only lists them', async () => {
  // Longer than an upload takes on a busy machine.
  const env = { ...settings, S3_PREFIX: 'expired', UPLOAD_EXPIRY: '5s', GC_ENABLED: 'false' };
  const server = await startServer(env);
  const last = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await attempt([...marinaCommand, 'gc', '--json', ...args], { env });
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(new TextDecoder().decode(stdout).trimEnd().split('\n').at(-1) ?? '');
  };
  await abandonUpload(server.url, 'team/app', 3_000);
  await abandonUpload(server.url, 'team/app', 6_000_000);
  await pushBlob(server.url, 'team/app', randomBlob(6_000_000));
  await Bun.sleep(5_500);
  // A completed upload is not an expired one, although its last record is kept for as long as uploads may take.
  const expected = { uploads: { sessions: 2, bytes: 6_003_000 } };
  for (let time = 0; time < 2; time++) expect(await last('--dry-run')).toMatchObject(expected);
  expect(await last()).toMatchObject({ ...expected, failures: 0 });
  expect(await last('--dry-run')).toMatchObject({ uploads: { sessions: 0, bytes: 0 } });
  expect(await server.stop()).toBe(0);
});

test('the feed of one node has the changes that the other one, or a command, has made', async () => {
  const [one, other] = nodes;
  const { cursor } = await pageOf(one.url, { since: 'now' });
  const pushed = image();
  await pushImage(other.url, 'feed/app', pushed, 'v1');
  await readUntil(one.url, cursor, (found) => found.some(({ tag }) => tag === 'v1'), { repository: 'feed/app' });
  await pushManifest(one.url, 'feed/app', pushed, 'v2');
  const { code } = await attempt([...marinaCommand, 'rm', 'feed/app'], { env: settings });
  expect(code).toBe(0);
  const isDeleted = (found: readonly { readonly type: string }[]) => found.some(({ type }) => type === 'repo.deleted');
  const whole = await readUntil(other.url, cursor, isDeleted, { repository: 'feed/app' });
  expect(whole.changes.map(({ seq }) => seq)).toEqual([1, 2, 3, 3, 4, 5]);
  expect((await readUntil(one.url, cursor, isDeleted, { repository: 'feed/app' })).changes).toEqual(whole.changes);
});
