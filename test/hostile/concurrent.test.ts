// Many concurrent requests for one upload: one continues, the others are refused, and bytes are never mixed.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { digestOf, expectStatus } from '../support/oci.ts';
import { cleanUp } from '../support/server.ts';
import { openSite, openUpload, type Site, sendWriter, statusOf } from './site.ts';
import { exchange, request } from './wire.ts';

let site: Site;

beforeAll(async () => {
  site = await openSite();
});
afterAll(cleanUp);

async function close(upload: string, bytes: string): Promise<Uint8Array> {
  const digest = digestOf(new TextEncoder().encode(bytes));
  await expectStatus(201, `${site.server.url}${upload}?digest=${digest}`, { method: 'PUT', body: '' });
  return (await expectStatus(200, `${site.server.url}/v2/${site.repo}/blobs/${digest}`)).bytes;
}

test('while one request writes to an upload, every other one is refused and changes nothing', async () => {
  const upload = await openUpload(site.server, site.repo);
  let go: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  const first = await sendWriter(site.server, upload, [
    ...request('PATCH', upload, { headers: { 'Content-Length': '10' }, body: 'first' }),
    gate,
    'first',
  ]);
  const digest = digestOf(new TextEncoder().encode('second'));
  const others = await Promise.all([
    exchange(site.server.port, request('PATCH', upload, { body: 'second' })),
    exchange(site.server.port, request('PATCH', upload, { headers: { 'Content-Range': '0-5' }, body: 'second' })),
    exchange(site.server.port, request('PUT', `${upload}?digest=${digest}`, { body: 'second' })),
    exchange(site.server.port, request('DELETE', upload)),
  ]);
  expect(others.map(statusOf)).toEqual([409, 409, 409, 409]);
  for (const other of others) expect(other).toMatchObject({ body: expect.stringContaining('BLOB_UPLOAD_INVALID') });
  expect(await exchange(site.server.port, request('GET', upload))).toMatchObject({ status: 204 });
  go();
  expect(await first.outcome).toMatchObject({ status: 202 });
  expect(new TextDecoder().decode(await close(upload, 'firstfirst'))).toBe('firstfirst');
});

test('of many concurrent chunks at the same offset exactly one is accepted', async () => {
  const upload = await openUpload(site.server, site.repo);
  const chunks = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i).repeat(50_000));
  const outcomes = await Promise.all(
    chunks.map((body) =>
      exchange(site.server.port, request('PATCH', upload, { headers: { 'Content-Range': '0-49999' }, body })),
    ),
  );
  const statuses = outcomes.map(statusOf);
  const winner = statuses.indexOf(202);
  expect(statuses.filter((status) => status === 202)).toHaveLength(1);
  for (const status of statuses.filter((each) => each !== 202)) expect([409, 416]).toContain(status);
  const bytes = chunks[winner] ?? '';
  expect(new TextDecoder().decode(await close(upload, bytes))).toBe(bytes);
});

test('an upload that is closed many times concurrently is closed once', async () => {
  const upload = await openUpload(site.server, site.repo);
  const body = 'closed once'.repeat(50_000);
  const digest = digestOf(new TextEncoder().encode(body));
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, () =>
      exchange(site.server.port, request('PUT', `${upload}?digest=${digest}`, { body })),
    ),
  );
  const statuses = outcomes.map(statusOf);
  expect(statuses.filter((status) => status === 201)).toHaveLength(1);
  for (const status of statuses.filter((each) => each !== 201)) expect([404, 409]).toContain(status);
  const { bytes } = await expectStatus(200, `${site.server.url}/v2/${site.repo}/blobs/${digest}`);
  expect(digestOf(bytes)).toBe(digest);
});

test('a wrong digest does not close the upload, which can still be closed with the right one', async () => {
  const upload = await openUpload(site.server, site.repo);
  await expectStatus(202, site.server.url + upload, { method: 'PATCH', body: 'some' });
  const wrong = digestOf(new TextEncoder().encode('other'));
  await expectStatus(400, `${site.server.url}${upload}?digest=${wrong}`, { method: 'PUT', body: '' });
  await expectStatus(400, `${site.server.url}${upload}?digest=${wrong}`, { method: 'PUT', body: 'more' });
  await expectStatus(404, `${site.server.url}/v2/${site.repo}/blobs/${wrong}`);
  await expectStatus(202, site.server.url + upload, { method: 'PATCH', body: 'times' });
  expect(new TextDecoder().decode(await close(upload, 'sometimes'))).toBe('sometimes');
});
