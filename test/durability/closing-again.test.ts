// A closing PUT whose response was lost in a kill is repeated. This test creates the states that a kill can leave between the
// blob's link and the session's end, because the kill drill reaches them only occasionally.
import { afterAll, expect, test } from 'bun:test';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Content, expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

const REPOSITORY = 'durability/again';

/** Each test starts several servers. */
const TEST_WITHIN_MS = 300_000;

afterAll(cleanUp);

/** An upload with all its bytes, on a folder whose server was then killed. */
async function uploadedAndKilled(blob: Content, before: (server: Server) => Promise<void>) {
  const folder = temporaryFolder('again');
  const server = await startServer({ STORAGE_PATH: folder });
  await before(server);
  const started = await expectStatus(202, `${server.url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  const location = started.headers.get('location') ?? '';
  await expectStatus(202, server.url + location, { method: 'PATCH', body: blob.bytes });
  await server.kill();
  return { folder, location };
}

/** Removes the staged bytes, but not the record of their session, as a kill can leave them. */
function removeStaged(folder: string, location: string): void {
  const upload = join(folder, 'uploads', location.slice(location.lastIndexOf('/') + 1));
  const staged = readdirSync(upload).filter((name) => name !== 'session');
  expect(staged).toHaveLength(1);
  for (const name of staged) rmSync(join(upload, name));
}

test(
  'staged bytes that were dropped for an existing blob: the repeated PUT succeeds',
  async () => {
    const blob = randomBlob(300_000);
    const { folder, location } = await uploadedAndKilled(blob, (server) => pushBlob(server.url, REPOSITORY, blob));
    removeStaged(folder, location);

    const server = await startServer({ STORAGE_PATH: folder });
    const { digest } = blob.descriptor;
    await expectStatus(201, `${server.url}${location}?digest=${digest}`, { method: 'PUT' });
    const served = await expectStatus(200, `${server.url}/v2/${REPOSITORY}/blobs/${digest}`);
    expect(served.bytes).toEqual(blob.bytes);
    await expectStatus(404, server.url + location);
  },
  TEST_WITHIN_MS,
);

test(
  'staged bytes that were lost and that no repository has: the upload is unknown to every request',
  async () => {
    const blob = randomBlob(300_000);
    const { folder, location } = await uploadedAndKilled(blob, async () => undefined);
    removeStaged(folder, location);

    const server = await startServer({ STORAGE_PATH: folder });
    const close = `${server.url}${location}?digest=${blob.descriptor.digest}`;
    const last = new Blob(['more']);
    await expectStatus(404, server.url + location, { method: 'PATCH', body: last });
    await expectStatus(404, close, { method: 'PUT', body: last });
    await expectStatus(404, close, { method: 'PUT' });
    await expectStatus(404, `${server.url}/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`);
    // A new upload succeeds.
    await pushBlob(server.url, REPOSITORY, blob);
  },
  TEST_WITHIN_MS,
);
