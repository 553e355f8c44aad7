// fsck beside a server under constant pushes, deletes and uploads: none of that is a fault.
import { afterAll, expect, test } from 'bun:test';
import { rmSync } from 'node:fs';
import { expectStatus, image, pushBlob, pushImage, pushManifest, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { fsck, objectPath } from './marina.ts';

/** The minimum number of checks, and of rounds of each client. */
const RUNS = 6;
const ROUNDS = 6;

afterAll(cleanUp);

test('a busy server causes no false alarm', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('busy') });
  await pushImage(server.url, 'busy/first', image(), 'v0');
  let busy = true;
  const rounds = [0, 0, 0];
  const load = Promise.all(
    rounds.map(async (_, client) => {
      for (let count = 0; busy; count++) {
        await round(server, client, count);
        rounds[client] = count;
      }
    }),
  );
  let slots = 0;
  try {
    for (let run = 0; run < RUNS || Math.min(...rounds) < ROUNDS; run++) {
      const { code, findings, summary } = await fsck(server.dataPath, ...(run % 2 === 0 ? ['--scrub'] : []));
      // A note is allowed, for a repository whose first slot is about to be written.
      expect({ code, alarms: findings.filter(({ severity }) => severity !== 'note') }).toEqual({ code: 0, alarms: [] });
      expect(summary.slots).toBeGreaterThanOrEqual(slots);
      slots = summary.slots;
    }
  } finally {
    busy = false;
    await load;
  }
  expect(await fsck(server.dataPath, '--scrub')).toMatchObject({
    code: 0,
    findings: [],
    summary: { orphans: { count: 0 }, wrongHints: expect.any(Number) },
  });
  expect(await server.stop()).toBe(0);
});

test('beside a server, damage is still reported', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('damaged-live') });
  const pushed = image();
  await pushImage(server.url, 'live/app', pushed, 'v1');
  const layer = pushed.blobs.at(-1)?.descriptor.digest ?? '';
  rmSync(await objectPath(server.dataPath, 'live/app', layer));
  const damaged = { problem: 'object-missing', repo: 'live/app', digest: layer };
  expect(await fsck(server.dataPath)).toMatchObject({ code: 1, faults: [damaged] });

  // Pushed again, it is linked to new bytes.
  for (const blob of pushed.blobs) await pushBlob(server.url, 'live/app', blob);
  expect(await fsck(server.dataPath)).toMatchObject({ code: 0, findings: [] });
  expect(await server.stop()).toBe(0);
});

/** New repositories, moved and deleted tags, deleted manifests and blobs, shared bytes, open uploads. */
async function round({ url }: Server, client: number, count: number): Promise<void> {
  const repository = `busy/app-${count % 5}`;
  const pushed = image({ layers: [randomBlob(200_000), randomBlob(20)] });
  const tag = `client-${client}`;
  await pushImage(url, repository, pushed, tag);
  await pushImage(url, `busy/new-${client}-${count}`, pushed, tag);
  const session = await expectStatus(202, `${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const upload = new URL(session.headers.get('location') ?? '', url).href;
  await expectStatus(202, upload, { method: 'PATCH', body: randomBlob(70_000).bytes });
  await pushManifest(url, repository, pushed, `${tag}-too`);
  await expectStatus(202, `${url}/v2/${repository}/manifests/${tag}-too`, { method: 'DELETE' });
  await expectStatus(202, `${url}/v2/${repository}/manifests/${pushed.descriptor.digest}`, { method: 'DELETE' });
  for (const blob of pushed.blobs) {
    await expectStatus(202, `${url}/v2/${repository}/blobs/${blob.descriptor.digest}`, { method: 'DELETE' });
  }
  if (count % 2 === 0) await expectStatus(204, upload, { method: 'DELETE' });
}
