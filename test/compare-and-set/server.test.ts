// Compare-and-set of tags against one process.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { emptyConfig, expectStatus, pushBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { countAt, counterImage, incrementConcurrently, putIf, REPOSITORY, TAG } from './counter.ts';

afterAll(cleanUp);

let server: Server;
let address: string;
beforeAll(async () => {
  server = await startServer();
  address = `${server.url}/v2/${REPOSITORY}/manifests/${TAG}`;
  await pushBlob(server.url, REPOSITORY, emptyConfig);
});

test('64 clients that each increment a counter image end at exactly the sum', async () => {
  expect((await putIf(server.url, counterImage(0), { 'If-None-Match': '*' })).status).toBe(201);
  const refused = await incrementConcurrently([server.url], 64, 3);
  expect((await countAt(server.url)).count).toBe(64 * 3);
  // Otherwise they were not concurrent.
  expect(refused).toBeGreaterThan(64);
});

test('a condition that does not hold is 412 with what the tag is now, and changes nothing', async () => {
  const { etag, count } = await countAt(server.url);
  const digest = etag.slice(1, -1);
  const other = counterImage(-1);
  const stale = `"${other.descriptor.digest}"`;
  for (const condition of [{ 'If-Match': stale }, { 'If-None-Match': '*' }]) {
    const response = await putIf(server.url, other, condition);
    expect(response.status).toBe(412);
    expect(await response.json()).toEqual({
      errors: [{ code: 'PRECONDITION_FAILED', message: expect.stringContaining(digest), detail: { tag: TAG, digest } }],
    });
  }
  await expectStatus(412, address, { method: 'DELETE', headers: { 'If-Match': stale } });
  expect(await countAt(server.url)).toEqual({ count, etag });
});

test('a condition that is malformed or not supported is 400 and changes nothing', async () => {
  const { etag } = await countAt(server.url);
  const digest = etag.slice(1, -1);
  for (const condition of [
    { 'If-Match': digest },
    { 'If-Match': `W/${etag}` },
    { 'If-Match': '"latest"' },
    { 'If-Match': '' },
    { 'If-None-Match': etag },
    { 'If-None-Match': '*', 'If-Match': etag },
  ]) {
    expect([condition, (await putIf(server.url, counterImage(-1), condition)).status]).toEqual([condition, 400]);
  }
  await expectStatus(400, address, { method: 'DELETE', headers: { 'If-None-Match': '*' } });
  const byDigest = address.replace(new RegExp(`${TAG}$`), digest);
  await expectStatus(400, byDigest, { method: 'DELETE', headers: { 'If-Match': etag } });
  expect((await countAt(server.url)).etag).toBe(etag);
});

test('a condition that holds lets the tag be deleted, and then only If-None-Match: * creates it again', async () => {
  const { etag } = await countAt(server.url);
  const deleted = { method: 'DELETE', headers: { 'If-Match': `"sha256:${'0'.repeat(64)}", ${etag}` } };
  await expectStatus(202, address, deleted);
  await expectStatus(404, address, deleted);
  for (const condition of ['*', etag]) {
    const response = await putIf(server.url, counterImage(7), { 'If-Match': condition });
    expect(response.status).toBe(412);
    expect(await response.json()).toMatchObject({ errors: [{ detail: { tag: TAG, digest: null } }] });
  }
  expect((await putIf(server.url, counterImage(7), { 'If-None-Match': '*' })).status).toBe(201);
  expect((await countAt(server.url)).count).toBe(7);
});
