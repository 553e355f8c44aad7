// Pulling the registry as it was: requests under at/<moment>/.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { basic, writeAccessFiles } from '../access/world.ts';
import { marina } from '../cli/marina.ts';
import { expectStatus, image, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { compactNow, nextSecond } from './moments.ts';

afterAll(cleanUp);

const [first, second] = [image(), image()];
const signature = image({ subject: first.descriptor, artifactType: 'application/vnd.example.signature' });
let server: Server;
/** After the first push, after the second one moved the tag, and after everything was deleted. */
const moments: string[] = [];

async function remember(): Promise<void> {
  moments.push(compactNow());
  await nextSecond();
}

beforeAll(async () => {
  server = await startServer();
  const { url } = server;
  await pushImage(url, 'team/app', first, 'latest');
  await remember();
  await pushImage(url, 'team/app', second, 'latest');
  await pushImage(url, 'team/app', signature);
  await pushImage(url, 'other', first, 'v1');
  await remember();
  for (const { descriptor } of [first, second, signature]) {
    await expectStatus(202, `${url}/v2/team/app/manifests/${descriptor.digest}`, { method: 'DELETE' });
  }
  expect((await marina(server.dataPath, 'rm', 'other')).code).toBe(0);
  await remember();
});

const at = (moment: string | undefined, path: string): string => `${server.url}/v2/at/${moment}/${path}`;

async function json(url: string): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode((await expectStatus(200, url)).bytes));
}

test('a tag is what it was at each moment, byte for byte, by GET and HEAD', async () => {
  for (const [index, expected] of [first, second].entries()) {
    const url = at(moments[index], 'team/app/manifests/latest');
    const { bytes, headers } = await expectStatus(200, url);
    expect(Buffer.compare(bytes, expected.bytes)).toBe(0);
    expect(headers.get('content-type')).toBe(expected.descriptor.mediaType);
    expect(headers.get('docker-content-digest')).toBe(expected.descriptor.digest);
    const head = await expectStatus(200, url, { method: 'HEAD' });
    expect(head.headers.get('docker-content-digest')).toBe(expected.descriptor.digest);
    for (const blob of expected.blobs) {
      const pulled = await expectStatus(200, at(moments[index], `team/app/blobs/${blob.descriptor.digest}`));
      expect(Buffer.compare(pulled.bytes, blob.bytes)).toBe(0);
    }
  }
  await expectStatus(404, at(moments[2], 'team/app/manifests/latest'));
  await expectStatus(404, at(moments[0], `team/app/manifests/${second.descriptor.digest}`));
});

test('parts of a blob can be pulled, and conditions hold', async () => {
  const [, layer] = first.blobs;
  const url = at(moments[0], `team/app/blobs/${layer?.descriptor.digest}`);
  const part = await expectStatus(206, url, { headers: { Range: 'bytes=10-19' } });
  expect(Buffer.compare(part.bytes, layer?.bytes.subarray(10, 20) ?? new Uint8Array())).toBe(0);
  await expectStatus(304, url, { headers: { 'If-None-Match': `"${layer?.descriptor.digest}"` } });
});

test('lists are those of the moment: tags, referrers, repositories', async () => {
  expect(await json(at(moments[0], 'team/app/tags/list'))).toEqual({
    name: `at/${moments[0]}/team/app`,
    tags: ['latest'],
  });
  const referrers = `team/app/referrers/${first.descriptor.digest}`;
  expect(await json(at(moments[0], referrers))).toMatchObject({ manifests: [] });
  expect(await json(at(moments[1], referrers))).toMatchObject({ manifests: [{ digest: signature.descriptor.digest }] });
  expect(await json(at(moments[0], '_catalog'))).toEqual({ repositories: ['team/app'] });
  expect(await json(at(moments[1], '_catalog'))).toEqual({ repositories: ['other', 'team/app'] });
  expect(await json(at(moments[2], '_catalog'))).toEqual({ repositories: ['team/app'] });
  expect(await json(at('20200101', '_catalog'))).toEqual({ repositories: [] });
  const page = await expectStatus(200, at(moments[1], '_catalog?n=1'));
  expect(page.headers.get('link')).toBe(`</v2/at/${moments[1]}/_catalog?n=1&last=other>; rel="next"`);
});

test('what was not there is 404, and says so', async () => {
  const cases = [
    [at('20200101', 'team/app/tags/list'), 'there was no repository team/app at 2020-01-01T23:59:59Z'],
    [at(moments[0], 'other/tags/list'), 'there was no repository other at '],
    [at(moments[0], 'team/app/manifests/v9'), 'team/app had no tag v9 at '],
    [at(moments[0], `team/app/blobs/${second.blobs[1]?.descriptor.digest}`), 'team/app had no blob sha256:'],
  ] as const;
  for (const [url, message] of cases) {
    const { bytes } = await expectStatus(404, url);
    expect(new TextDecoder().decode(bytes)).toContain(message);
  }
  await expectStatus(400, at('29991231', 'team/app/tags/list'));
});

test('the answer to a mistyped moment says how a moment is written', async () => {
  const { bytes: nameless } = await expectStatus(404, `${server.url}/v2/at/20261128/tags/list`);
  expect(new TextDecoder().decode(nameless)).toContain('before the name of a repository');
  for (const moment of ['2026-11-28', '20261128t1015z', '20261199', '20261128t101500', 'latest', '12']) {
    const digest = first.descriptor.digest;
    for (const address of ['manifests/latest', `blobs/${digest}`, 'tags/list']) {
      const { bytes } = await expectStatus(404, at(moment, `team/app/${address}`));
      const text = new TextDecoder().decode(bytes);
      expect(text).toContain('names no moment of the past: it is written at/20261128t101500z/ (UTC)');
      expect(text).toContain('NAME_UNKNOWN');
    }
    const { bytes } = await expectStatus(404, at(moment, '_catalog'));
    expect(new TextDecoder().decode(bytes)).toContain(`at/${moment} names no moment of the past`);
  }
});

test('nothing can be pushed or deleted under the prefix', async () => {
  const manifest = { method: 'PUT', headers: { 'content-type': first.descriptor.mediaType }, body: first.bytes };
  const { bytes } = await expectStatus(405, at(moments[0], 'team/app/manifests/latest'), manifest);
  expect(new TextDecoder().decode(bytes)).toContain('is in the past, which cannot be changed');
  await expectStatus(405, at(moments[0], 'team/app/manifests/latest'), { method: 'DELETE' });
  await expectStatus(405, at(moments[0], 'team/app/blobs/uploads/'), { method: 'POST' });
  for (const name of ['at', 'at/app', 'at/20261128t101500z', 'at/latest/app']) {
    const refused = await expectStatus(400, `${server.url}/v2/${name}/blobs/uploads/`, { method: 'POST' });
    expect(new TextDecoder().decode(refused.bytes)).toContain('names that begin with at/ stand for the past');
    await expectStatus(400, `${server.url}/v2/${name}/manifests/v1`, manifest);
  }
  // A mount from the past becomes an upload.
  const digest = first.blobs[0]?.descriptor.digest;
  const mount = `${server.url}/v2/team/new/blobs/uploads/?mount=${digest}&from=at/${moments[0]}/team/app`;
  await expectStatus(202, mount, { method: 'POST' });
});

test('bytes that were collected are 404 with the time when they went', async () => {
  const quick = await startServer({ GC_GRACE: '3s', UPLOAD_EXPIRY: '30s', GC_ENABLED: 'false' });
  await pushImage(quick.url, 'team/app', first, 'v1');
  const moment = compactNow();
  await nextSecond();
  await expectStatus(202, `${quick.url}/v2/team/app/manifests/${first.descriptor.digest}`, { method: 'DELETE' });
  const [, layer] = first.blobs;
  const addresses = [`manifests/v1`, `manifests/${first.descriptor.digest}`, `blobs/${layer?.descriptor.digest}`];
  for (const address of addresses) await expectStatus(200, `${quick.url}/v2/at/${moment}/team/app/${address}`);
  await Bun.sleep(3_500);
  // The first run unlinks the blobs, whose grace begins then.
  const before = Date.now();
  await marina(quick.dataPath, 'gc', '--wait');
  await Bun.sleep(3_500);
  await marina(quick.dataPath, 'gc', '--wait');
  for (const address of addresses) {
    for (const method of ['HEAD', 'GET']) {
      const url = `${quick.url}/v2/at/${moment}/team/app/${address}`;
      const { bytes } = await expectStatus(404, url, { method });
      if (method === 'HEAD') continue;
      const { errors } = JSON.parse(new TextDecoder().decode(bytes));
      expect(errors[0].code).toBe(address.startsWith('blobs') ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN');
      expect(errors[0].message).toContain(`but garbage collection has freed its bytes at ${errors[0].detail.freed}`);
      const freed = Date.parse(errors[0].detail.freed);
      expect([freed > before - 1_000, freed <= Date.now()]).toEqual([true, true]);
    }
  }
});

test('PAST_PREFIX gives the past another name, or none', async () => {
  const renamed = await startServer({ PAST_PREFIX: 'the-past' });
  await pushImage(renamed.url, 'at/app', first, 'v1');
  const moment = compactNow();
  await expectStatus(200, `${renamed.url}/v2/the-past/${moment}/at/app/manifests/v1`);
  await expectStatus(404, `${renamed.url}/v2/at/${moment}/at/app/manifests/v1`);
  const off = await startServer({ PAST_PREFIX: '' });
  await pushImage(off.url, 'at/20261128/app', first, 'v1');
  await expectStatus(200, `${off.url}/v2/at/20261128/app/manifests/v1`);
  await expectStatus(404, `${off.url}/v2/at/20261128/_catalog`);
});

test('the past is guarded as the repository is today', async () => {
  const { env } = writeAccessFiles();
  const guarded = await startServer(env);
  const authorization = basic('admin');
  const push = async (repo: string) => {
    const url = new URL(guarded.url);
    for (const blob of first.blobs) {
      const target = `${url.origin}/v2/${repo}/blobs/uploads/?digest=${blob.descriptor.digest}`;
      await expectStatus(201, target, { method: 'POST', headers: { authorization }, body: blob.bytes });
    }
    const headers = { authorization, 'content-type': first.descriptor.mediaType };
    await expectStatus(201, `${url.origin}/v2/${repo}/manifests/v1`, { method: 'PUT', headers, body: first.bytes });
  };
  for (const repo of ['ours/app', 'them/app', 'free/app']) await push(repo);
  const moment = compactNow();
  const status = async (repo: string, account?: string) => {
    const headers: Record<string, string> = account === undefined ? {} : { authorization: basic(account) };
    const url = `${guarded.url}/v2/at/${moment}/${repo}/manifests/v1`;
    const [past, today] = await Promise.all(
      [url, url.replace(`at/${moment}/`, '')].map((each) => fetch(each, { headers })),
    );
    expect(past?.status).toBe(today?.status ?? 0);
    return past?.status;
  };
  expect(await status('ours/app', 'reader')).toBe(200);
  expect(await status('them/app', 'reader')).toBe(404);
  expect(await status('them/app', 'admin')).toBe(200);
  expect(await status('ours/app')).toBe(401);
  expect(await status('free/app')).toBe(200);
  // Without the right to pull, the past of an existing repository and of a missing one look alike.
  const seen = await Promise.all(
    ['them/app', 'them/none'].map(async (repo) => {
      const url = `${guarded.url}/v2/at/${moment}/${repo}/manifests/v1`;
      const response = await fetch(url, { headers: { authorization: basic('reader') } });
      return (await response.text()).replaceAll(repo, 'NAME');
    }),
  );
  expect(seen[0]).toBe(seen[1] ?? '');
  const catalog = `${guarded.url}/v2/at/${moment}/_catalog`;
  await expectStatus(403, catalog, { headers: { authorization: basic('reader') } });
  await expectStatus(200, catalog, { headers: { authorization } });
});

test('a tag that is pushed again shows in the current second', async () => {
  await pushImage(server.url, 'team/fresh', second, 'v1');
  const moment = compactNow();
  await expectStatus(200, at(moment, 'team/fresh/manifests/v1'));
  await pushManifest(server.url, 'team/fresh', second, 'v2');
  await expectStatus(200, at(compactNow(), 'team/fresh/manifests/v2'));
});
