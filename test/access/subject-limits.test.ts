// Limits on what one account has in progress, on a running server.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { inFlightAt, untilInFlight } from '../support/in-flight.ts';
import { expectStatus } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { basic, fromNewAddress, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

/** A PATCH that has sent some bytes and continues until the test ends it. */
async function slowUpload(server: Server, account: string, bytes: number) {
  const { url } = server;
  // Every request comes from a different address, but with the same account.
  const headers = { authorization: basic(account), ...fromNewAddress() };
  const session = await expectStatus(202, `${url}/v2/ours/a/blobs/uploads/`, { method: 'POST', headers });
  const target = new URL(session.headers.get('location') ?? '', url).href;
  const end = Promise.withResolvers<void>();
  async function* body(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(bytes);
    await end.promise;
  }
  const response = fetch(target, { method: 'PATCH', headers, body: body() });
  return { response, end: () => end.resolve() };
}

async function postBlob({ url }: Server, account: string): Promise<Response> {
  const headers = { authorization: basic(account), ...fromNewAddress(), 'content-type': 'application/octet-stream' };
  const digest = `sha256:${new Bun.CryptoHasher('sha256').update('x').digest('hex')}`;
  return await fetch(`${url}/v2/ours/a/blobs/uploads/?digest=${digest}`, { method: 'POST', headers, body: 'x' });
}

test.each([
  ['MAX_REQUESTS_PER_SUBJECT', '2', 'you have 2 requests in progress of 2 allowed'],
  ['MAX_UPLOADS_PER_SUBJECT', '2', 'you have 2 uploads in progress of 2 allowed'],
  ['MAX_UPLOAD_BYTES_PER_SUBJECT', '2000', 'your uploads in progress have 2000 bytes of 2000 allowed'],
])('%s bounds one account wherever it comes from, and no other', async (setting, limit, message) => {
  const server = await startServer({ ...writeAccessFiles().env, [setting]: limit });
  const uploads = [await slowUpload(server, 'pusher', 1_000), await slowUpload(server, 'pusher', 1_000)];
  // A request for metrics counts itself if it needs credentials. If one of the uploads came later than what follows, it would be refused.
  const headers = { authorization: basic('admin') };
  await untilInFlight(uploads.length + 1, () => inFlightAt(server.url, { headers }));
  // Their bytes may come a moment later.
  await eventually(async () => expect((await postBlob(server, 'pusher')).status).toBe(429));
  const refused = await postBlob(server, 'pusher');
  expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toEqual([
    429,
    '5',
    { errors: [{ code: 'TOOMANYREQUESTS', message: `${message}: finish some first, or try again` }] },
  ]);
  expect((await postBlob(server, 'admin')).status).toBe(201);
  for (const { end } of uploads) end();
  for (const { response } of uploads) expect((await response).status).toBe(202);
  // A thread may count an upload for a moment after its end.
  await eventually(async () => expect((await postBlob(server, 'pusher')).status).toBe(201));
  expect(await server.stop()).toBe(0);
});
