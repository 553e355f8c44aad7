// A failed fsync ends the process, because the page cache can no longer be trusted. strace makes the syncs fail.
import { afterAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { within } from '../support/within.ts';
import { AHEAD, startWithFailingFileSystem, startWithFailingSync } from './trace/traced-server.ts';

const REPOSITORY = 'durability/failing';
const ENDS_WITHIN_MS = 60_000;

afterAll(cleanUp);

test.each(['catalog', `repos/${REPOSITORY}/_log`])(
  'a server whose fsync of %s fails ends without an answer, and only that push is lost',
  async (failing) => {
    const folder = temporaryFolder('failing');
    const [kept, lost] = [randomBlob(1_000), randomBlob(1_000)];
    const before = await startServer({ STORAGE_PATH: folder });
    await pushBlob(before.url, 'durability/before', kept);
    expect(await before.stop()).toBe(0);

    const server = await startWithFailingSync(folder, failing);
    const { status } =
      (await within(ENDS_WITHIN_MS, attemptPush(server.url, lost.bytes, lost.descriptor.digest))) ?? {};
    expect(status).toBe('no answer');
    expect(await within(ENDS_WITHIN_MS, server.process.exited)).toBe(1);
    expect(server.logs()).toContain('could not be synced');

    const after = await startServer({ STORAGE_PATH: folder });
    const { descriptor, bytes } = kept;
    expect((await expectStatus(200, `${after.url}/v2/durability/before/blobs/${descriptor.digest}`)).bytes).toEqual(
      bytes,
    );
    // It was not acknowledged; pushed again, it exists.
    await pushBlob(after.url, REPOSITORY, lost);
    expect(await after.stop()).toBe(0);
  },
  TOOLS_WITHIN_MS,
);

test(
  'a server that cannot fsync its write-ahead log ends without an answer, and acknowledged writes survive',
  async () => {
    const folder = temporaryFolder('failing');
    const [kept, lost] = [randomBlob(1_000), randomBlob(1_000)];
    // The first file gets the writes of the start, and is removed.
    const server = await startWithFailingSync(folder, 'wal/0000000000000002', AHEAD);
    await pushBlob(server.url, 'durability/before', kept);
    const deadline = Date.now() + ENDS_WITHIN_MS;
    while (readdirSync(join(folder, 'wal')).length > 0) {
      if (Date.now() > deadline) throw new Error('the first file of the write-ahead log was not removed');
      await Bun.sleep(20);
    }
    const { status } =
      (await within(ENDS_WITHIN_MS, attemptPush(server.url, lost.bytes, lost.descriptor.digest))) ?? {};
    expect(status).toBe('no answer');
    expect(await within(ENDS_WITHIN_MS, server.process.exited)).toBe(1);
    expect(server.logs()).toContain('could not be synced');
    await expectKept(folder, kept);
  },
  TOOLS_WITHIN_MS,
);

test(
  'a server that cannot sync its file system ends, and acknowledged writes survive',
  async () => {
    const folder = temporaryFolder('failing');
    const kept = randomBlob(1_000);
    const server = await startWithFailingFileSystem(folder);
    await pushBlob(server.url, 'durability/before', kept);
    expect(await within(ENDS_WITHIN_MS, server.process.exited)).toBe(1);
    expect(server.logs()).toContain('could not be synced');
    await expectKept(folder, kept);
  },
  TOOLS_WITHIN_MS,
);

async function expectKept(folder: string, { descriptor, bytes }: ReturnType<typeof randomBlob>): Promise<void> {
  const after = await startServer({ STORAGE_PATH: folder });
  const { bytes: found } = await expectStatus(200, `${after.url}/v2/durability/before/blobs/${descriptor.digest}`);
  expect(found).toEqual(bytes);
  expect(await after.stop()).toBe(0);
}

async function attemptPush(url: string, body: Uint8Array, digest: string): Promise<{ status: number | 'no answer' }> {
  try {
    const target = `${url}/v2/${REPOSITORY}/blobs/uploads/?digest=${digest}`;
    return { status: (await fetch(target, { method: 'POST', body: new Uint8Array(body) })).status };
  } catch {
    // The test expects the connection to break.
    return { status: 'no answer' };
  }
}
