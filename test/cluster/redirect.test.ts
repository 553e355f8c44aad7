// S3_REDIRECT=true: the store sends the bytes of blobs directly to the client.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { attempt, run, runBytes, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { parseByteRanges } from '../support/multipart.ts';
import { digestOf, expectStatus, type Image, image, pushImage, randomBlob } from '../support/oci.ts';
import { startServer, temporaryFolder } from '../support/server.ts';

let cluster: Cluster;
let blob: string;
const layer = randomBlob(3_000_000);
const pushed: Image = image({ layers: [layer, randomBlob(20)] });

beforeAll(async () => {
  await tools('curl', 'crane', 'skopeo');
  cluster = await startCluster({ nodes: 1, workers: 0, balancer: false, env: { S3_REDIRECT: 'true' } });
  await pushImage(cluster.url, 'team/app', pushed, 'v1');
  blob = `${cluster.url}/v2/team/app/blobs/${layer.descriptor.digest}`;
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

test('GET of a blob of any size redirects to the store, which serves the bytes', async () => {
  for (const { descriptor, bytes } of pushed.blobs) {
    const url = `${cluster.url}/v2/team/app/blobs/${descriptor.digest}`;
    const { headers } = await expectStatus(307, url, { redirect: 'manual' });
    expect(headers.get('location')).toStartWith(`${cluster.objects.endpoint}/marina/data/`);
    expect(headers.get('docker-content-digest')).toBe(descriptor.digest);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(digestOf(await runBytes(['curl', '-sSfL', url]))).toBe(digestOf(bytes));
  }
});

test('a client that follows the redirect repeats its Range header', async () => {
  const part = await runBytes(['curl', '-sSfL', '-r', '1000-1999', blob]);
  expect(digestOf(part)).toBe(digestOf(layer.bytes.subarray(1000, 2000)));
  const head = await run(['curl', '-sSL', '-r', '9000000-', '-o', '/dev/null', '-w', '%{http_code}', blob]);
  expect(head).toBe('416');
});

test('several ranges are answered by the node, because stores answer them with the whole object', async () => {
  const init = { redirect: 'manual', headers: { Range: 'bytes=5-9,0-1' } } as const;
  const { headers, bytes } = await expectStatus(206, blob, init);
  const parts = parseByteRanges(headers.get('content-type'), bytes);
  expect(parts.map(({ start, end }) => [start, end])).toEqual([
    [5, 10],
    [0, 2],
  ]);
});

test('HEAD, conditional GET and manifests are not redirected', async () => {
  const head = await expectStatus(200, blob, { method: 'HEAD', redirect: 'manual' });
  expect(head.headers.get('content-length')).toBe(String(layer.bytes.length));
  const etag = head.headers.get('etag') ?? '';
  await expectStatus(304, blob, { redirect: 'manual', headers: { 'If-None-Match': etag } });
  await expectStatus(200, `${cluster.url}/v2/team/app/manifests/v1`, { redirect: 'manual' });
  const unknown = blob.replace(/.{4}$/, '0000');
  await expectStatus(404, unknown, { redirect: 'manual' });
});

test('S3_REDIRECT_ENDPOINT is the address by which clients reach the store', async () => {
  const inside = cluster.objects.endpoint;
  const outside = inside.replace('localhost', '127.0.0.1');
  const node = await startServer({ ...cluster.env, S3_REDIRECT_ENDPOINT: outside });
  const { headers } = await expectStatus(307, blob.replace(cluster.url, node.url), { redirect: 'manual' });
  const location = headers.get('location') ?? '';
  expect(location).toStartWith(outside);
  expect(digestOf(await runBytes(['curl', '-sSf', location]))).toBe(digestOf(layer.bytes));
});

test('the address of a blob is valid for 20 minutes, and with access control only as long as a token', async () => {
  const folder = temporaryFolder('redirect-access');
  const [access, key] = [join(folder, 'access.yaml'), join(folder, 'token-key.pem')];
  writeFileSync(access, "rules: [{ who: anonymous, repositories: ['team/**'], actions: [pull] }]\n");
  writeFileSync(key, makeTokenKey(), { mode: 0o600 });
  const restricted = await startServer({ ...cluster.env, ACCESS_FILE: access, TOKEN_KEY_FILE: key });
  const expiryAt = async (url: string): Promise<string | null> => {
    const { headers } = await expectStatus(307, blob.replace(cluster.url, url), { redirect: 'manual' });
    return new URL(headers.get('location') ?? '').searchParams.get('X-Amz-Expires');
  };
  expect([await expiryAt(cluster.url), await expiryAt(restricted.url)]).toEqual(['1200', '300']);
  const hidden = blob.replace(cluster.url, restricted.url).replace('team/app', 'other/app');
  await expectStatus(401, hidden, { redirect: 'manual' });
});

test('crane and skopeo follow the redirect', async () => {
  const [crane, skopeo] = await tools('crane', 'skopeo');
  const folder = temporaryFolder('redirect');
  const reference = `${cluster.host}/team/app:v1`;
  await run([crane, 'pull', '--insecure', '--format=oci', reference, join(folder, 'crane')]);
  // Unchanged: into a layout skopeo would compress the layer.
  await run([skopeo, 'copy', '--src-tls-verify=false', `docker://${reference}`, `dir:${join(folder, 'skopeo')}`]);
  const hex = layer.descriptor.digest.slice('sha256:'.length);
  for (const file of [join('crane', 'blobs', 'sha256', hex), join('skopeo', hex)]) {
    expect(digestOf(await Bun.file(join(folder, file)).bytes())).toBe(digestOf(layer.bytes));
  }
});

test('S3_REDIRECT is refused if the store is not S3', async () => {
  const bun = join('node_modules', '.bin', 'bun');
  const { code, stderr } = await attempt([bun, 'src/main.ts'], {
    env: { S3_REDIRECT: 'true', STORAGE_DRIVER: 'filesystem', STORAGE_PATH: temporaryFolder('unused'), PORT: '0' },
  });
  expect([code, stderr]).toEqual([1, 'marina: S3_REDIRECT=true cannot be used: it needs STORAGE_DRIVER=s3\n']);
});
