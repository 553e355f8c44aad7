// Unusual names that the spec allows: every operation of a registry works with each of them.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { parseByteRanges } from '../support/multipart.ts';
import {
  type Content,
  expectStatus,
  type Image,
  image,
  index,
  pushBlob,
  pushImage,
  pushManifest,
  randomBlob,
} from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

const NAMES: readonly (readonly [what: string, name: string])[] = [
  ['blobs of blobs', 'blobs/blobs'],
  ['tags of manifests', 'manifests/tags'],
  ['uploads of blobs', 'a/blobs/uploads'],
  ['the list of tags', 'tags/list'],
  ['the list of tags after a component', 'a/tags/list'],
  ['manifests, twice', 'manifests/manifests'],
  ['uploads alone', 'uploads'],
  ['only blobs and uploads', 'blobs/uploads'],
  ['referrers', 'referrers/referrers'],
  ['the version', 'v2/v2'],
  ['one letter', 'a'],
  ['one digit', '0'],
  ['every separator', 'a.b_c__d-e--f/0.1_2__3-4'],
  ['names of other files of the store', 'data/tmp/format/lock'],
  ['a log without its underscore', 'log/snap'],
  ['many hyphens', `a${'-'.repeat(253)}b`],
  ['255 characters in one component', 'n'.repeat(255)],
  ['255 characters in 128 components', `${'n/'.repeat(127)}n`],
];

const folder = temporaryFolder('legal');
let server: Server;

beforeAll(async () => {
  server = await startServer({ STORAGE_PATH: folder });
});
afterAll(cleanUp);

function url(name: string, rest: string): string {
  return `${server.url}/v2/${name}/${rest}`;
}

async function expectImage(name: string, reference: string, pushed: Image | Content): Promise<void> {
  const served = await expectStatus(200, url(name, `manifests/${reference}`));
  expect(served.bytes).toEqual(pushed.bytes);
  expect(served.headers.get('docker-content-digest')).toBe(pushed.descriptor.digest);
  if (!('blobs' in pushed)) return;
  for (const { bytes, descriptor } of pushed.blobs) {
    expect((await expectStatus(200, url(name, `blobs/${descriptor.digest}`))).bytes).toEqual(bytes);
  }
}

async function tagsOf(name: string): Promise<unknown> {
  const { bytes } = await expectStatus(200, url(name, 'tags/list'));
  return JSON.parse(new TextDecoder().decode(bytes));
}

test.each(NAMES)('%s: push, pull, lists, referrers, mount and delete work', async (_, name) => {
  const pushed = image();
  await pushImage(server.url, name, pushed, 'v1');
  await pushManifest(server.url, name, pushed, 'v2');
  await expectImage(name, 'v1', pushed);
  await expectImage(name, pushed.descriptor.digest, pushed);
  expect(await tagsOf(name)).toEqual({ name, tags: ['v1', 'v2'] });

  const artifact = image({ subject: pushed.descriptor, artifactType: 'application/vnd.example' });
  await pushImage(server.url, name, artifact);
  const referrers = await expectStatus(200, url(name, `referrers/${pushed.descriptor.digest}`));
  expect(new TextDecoder().decode(referrers.bytes)).toContain(artifact.descriptor.digest);

  const [config] = pushed.blobs;
  if (config === undefined) throw new Error('the image has no config');
  const mounted = `elsewhere/${Bun.hash(name)}`;
  const mount = `blobs/uploads/?mount=${config.descriptor.digest}&from=${encodeURIComponent(name).replaceAll('%2F', '/')}`;
  await expectStatus(201, url(mounted, mount), { method: 'POST' });

  await expectStatus(202, url(name, 'manifests/v1'), { method: 'DELETE' });
  expect(await tagsOf(name)).toEqual({ name, tags: ['v2'] });
  await expectStatus(405, url(name, `blobs/${config.descriptor.digest}`), { method: 'DELETE' });
  for (const each of [artifact, pushed]) {
    await expectStatus(202, url(name, `manifests/${each.descriptor.digest}`), { method: 'DELETE' });
  }
  expect(await tagsOf(name)).toEqual({ name, tags: [] });
  await expectStatus(404, url(name, 'manifests/v2'));
  await expectStatus(202, url(name, `blobs/${config.descriptor.digest}`), { method: 'DELETE' });
  await expectStatus(404, url(name, `blobs/${config.descriptor.digest}`));
  expect((await expectStatus(200, url(mounted, `blobs/${config.descriptor.digest}`))).bytes).toEqual(config.bytes);
});

test('the catalog lists each of these names, also after a restart', async () => {
  const names = NAMES.map(([, name]) => name).sort();
  const catalog = async (): Promise<unknown> => {
    const { bytes } = await expectStatus(200, `${server.url}/v2/_catalog`);
    const { repositories } = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(repositories) ? repositories.filter((each) => !String(each).startsWith('elsewhere/')) : [];
  };
  expect(await catalog()).toEqual(names);
  await server.kill();
  server = await startServer({ STORAGE_PATH: folder });
  expect(await catalog()).toEqual(names);
  for (const name of names) expect(await tagsOf(name)).toEqual({ name, tags: [] });
});

test('chunked uploads work where the repository name looks like an upload path', async () => {
  const name = 'a/blobs/uploads';
  const { headers } = await expectStatus(202, url(name, 'blobs/uploads/'), { method: 'POST' });
  const location = `${server.url}${headers.get('location')}`;
  await expectStatus(202, location, { method: 'PATCH', headers: { 'Content-Range': '0-4' }, body: 'hello' });
  expect((await expectStatus(204, location)).headers.get('range')).toBe('0-4');
  const digest = 'sha256:936a185caaa266bb9cbe981e9e05cb78cd732b0b3280eb944412bb6f8f8f07af';
  await expectStatus(201, `${location}?digest=${digest}`, { method: 'PUT', body: 'world' });
  expect((await expectStatus(200, url(name, `blobs/${digest}`))).bytes).toEqual(new TextEncoder().encode('helloworld'));
});

test('a manifest whose tag moved stays readable by its digest', async () => {
  const name = 'moved/on';
  const [first, second] = [image(), image()];
  await pushImage(server.url, name, first, 'latest');
  await pushImage(server.url, name, second, 'latest');
  await expectImage(name, 'latest', second);
  await expectImage(name, first.descriptor.digest, first);
  const both = index([first, second]);
  await pushManifest(server.url, name, both, 'latest');
  for (const each of [first, second, both]) await expectImage(name, each.descriptor.digest, each);
  await expectStatus(202, url(name, 'manifests/latest'), { method: 'DELETE' });
  for (const each of [first, second, both]) await expectImage(name, each.descriptor.digest, each);
});

test('a tag of 128 characters, and 256 tags in one push, work', async () => {
  const name = 'many/tags';
  const pushed = image();
  await pushImage(server.url, name, pushed, `_${'.'.repeat(127)}`);
  await expectImage(name, `_${'.'.repeat(127)}`, pushed);
  const tags = Array.from({ length: 256 }, (_, i) => `t${String(i).padStart(3, '0')}`);
  const query = tags.map((tag) => `tag=${tag}`).join('&');
  const headers = { 'Content-Type': pushed.descriptor.mediaType };
  await expectStatus(201, url(name, `manifests/${pushed.descriptor.digest}?${query}`), {
    ...{ method: 'PUT', headers, body: pushed.bytes },
  });
  expect(await tagsOf(name)).toEqual({ name, tags: [`_${'.'.repeat(127)}`, ...tags] });
});

test('a blob that is served from a file does not reveal its path, whole or in part', async () => {
  const blob = randomBlob(2 * 1024 * 1024);
  const { digest } = blob.descriptor;
  await pushBlob(server.url, 'file/name', blob);
  for (const [status, headers] of [
    [200, {}],
    [206, { range: 'bytes=1-' }],
  ] as const) {
    const served = await expectStatus(status, url('file/name', `blobs/${digest}`), { headers });
    expect(served.headers.get('content-disposition')).toBe('attachment');
    expect(served.headers.get('content-length')).toBe(String(served.bytes.length));
    expect(Buffer.compare(served.bytes, blob.bytes.subarray(status === 206 ? 1 : 0))).toBe(0);
  }
});

test.each([
  ['from memory', 1_000],
  ['from a file', 3 * 1024 * 1024],
])('several ranges of a blob %s are parts in the requested order', async (_, size) => {
  const blob = randomBlob(size);
  await pushBlob(server.url, 'several/ranges', blob);
  const target = url('several/ranges', `blobs/${blob.descriptor.digest}`);
  const range = `bytes=${size - 10}-,0-99,500-700,600-800`;
  const served = await expectStatus(206, target, { headers: { range } });
  const parts = parseByteRanges(served.headers.get('content-type'), served.bytes);
  expect(parts.map(({ start, end, size: whole }) => [start, end, whole])).toEqual([
    [size - 10, size, size],
    [0, 100, size],
    [500, 801, size],
  ]);
  for (const { start, end, bytes } of parts) expect(Buffer.compare(bytes, blob.bytes.subarray(start, end))).toBe(0);
  expect(served.headers.get('docker-content-digest')).toBe(blob.descriptor.digest);
  // No byte is sent twice, whatever is requested.
  const greedy = Array.from({ length: 256 }, () => '0-').join();
  const whole = await expectStatus(206, target, { headers: { range: `bytes=${greedy}` } });
  expect([whole.bytes.length, whole.headers.get('content-range')]).toEqual([size, `bytes 0-${size - 1}/${size}`]);
  // "400 (podman then asks for fewer)".
  const many = Array.from({ length: 257 }, (_each, index) => `${2 * index}-${2 * index}`).join();
  await expectStatus(400, target, { headers: { range: `bytes=${many}` } });
});

test('a Range is honoured only if If-Range names the blob', async () => {
  const blob = randomBlob(100);
  const { digest } = blob.descriptor;
  await pushBlob(server.url, 'if/range', blob);
  for (const [condition, status] of [
    [`"${digest}"`, 206],
    [`W/"${digest}"`, 200],
    ['"another"', 200],
    ['Sat, 28 Nov 2026 00:00:00 GMT', 200],
  ] as const) {
    const headers = { range: 'bytes=0-9', 'if-range': condition };
    const { bytes } = await expectStatus(status, url('if/range', `blobs/${digest}`), { headers });
    expect(bytes.length).toBe(status === 206 ? 10 : 100);
  }
});
