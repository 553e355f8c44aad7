// A failed fsync ends the process, because the page cache can no longer be trusted. strace makes the syncs fail.
import { afterAll, expect, test } from 'bun:test';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { type Content, expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { within } from '../support/within.ts';
import { AHEAD, startWithFailingFileSystem, startWithFailingSync } from './trace/traced-server.ts';

const REPOSITORY = 'durability/failing';
const ENDS_WITHIN_MS = 60_000;
const PAUSE_MS = 50;

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
    // A file gets the records of five seconds. The first one has those of the start, which may take longer.
    const server = await startWithFailingSync(folder, 'wal/0000000000000003', AHEAD);
    const kept = await pushUntilUnanswered(server.url);
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
    const server = await startWithFailingFileSystem(folder);
    const kept = await pushUntilUnanswered(server.url);
    expect(await within(ENDS_WITHIN_MS, server.process.exited)).toBe(1);
    expect(server.logs()).toContain('could not be synced');
    await expectKept(folder, kept);
  },
  TOOLS_WITHIN_MS,
);

/** Pushes one blob after another. @returns those that were acknowledged */
async function pushUntilUnanswered(url: string): Promise<readonly Content[]> {
  const acknowledged: Content[] = [];
  for (const deadline = performance.now() + ENDS_WITHIN_MS; performance.now() < deadline; await Bun.sleep(PAUSE_MS)) {
    const blob = randomBlob(1_000);
    const { status } = (await within(ENDS_WITHIN_MS, attemptPush(url, blob.bytes, blob.descriptor.digest))) ?? {};
    if (status === 'no answer') return acknowledged;
    expect(status).toBe(201);
    acknowledged.push(blob);
  }
  throw new Error(`the server still answers after ${ENDS_WITHIN_MS} ms`);
}

async function expectKept(folder: string, kept: readonly Content[]): Promise<void> {
  expect(kept).not.toBeEmpty();
  const after = await startServer({ STORAGE_PATH: folder });
  for (const { descriptor, bytes } of kept) {
    const found = await expectStatus(200, `${after.url}/v2/${REPOSITORY}/blobs/${descriptor.digest}`);
    expect(found.bytes).toEqual(bytes);
  }
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
