// Pins: what the registry had at a moment stays, whatever is deleted, until the pin ends.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { marina } from '../cli/marina.ts';
import { expectStatus, type Image, image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { compactNow, nextSecond } from './moments.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

/** No push can be too slow for it: collections run only when a test asks for one. */
const GRACE_MS = 1_000;
/** Longer than an upload takes on a busy machine. */
const EXPIRY_MS = 4_000;
const QUICK = { GC_GRACE: `${GRACE_MS}ms`, UPLOAD_EXPIRY: `${EXPIRY_MS}ms`, GC_ENABLED: 'false' };
const FAR = '2099-01-01';

/** The moment in the form that commands take. */
function isoOf(compact: string): string {
  return compact.toUpperCase().replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
}

async function removed(server: Server, repo: string, pushed: Image): Promise<void> {
  await expectStatus(202, `${server.url}/v2/${repo}/manifests/${pushed.descriptor.digest}`, { method: 'DELETE' });
}

/** Two runs: the first unlinks the blobs, whose grace begins then. The second needs the age of what was never linked, too. */
async function collectAll({ dataPath }: Server): Promise<void> {
  for (const age of [GRACE_MS, EXPIRY_MS]) {
    await Bun.sleep(age + 500);
    expect((await marina(dataPath, 'gc', '--wait')).code).toBe(0);
  }
}

async function statuses(server: Server, moment: string, repo: string, pushed: Image): Promise<number[]> {
  const base = `${server.url}/v2/at/${moment}/${repo}`;
  const addresses = [
    `${base}/manifests/${pushed.descriptor.digest}`,
    ...pushed.blobs.map(({ descriptor }) => `${base}/blobs/${descriptor.digest}`),
  ];
  return await Promise.all(addresses.map(async (address) => (await fetch(address)).status));
}

test('a pin keeps what was live at its moment, whatever clients and retention delete, and nothing else, until it ends', async () => {
  const RETENTION_FILE = join(temporaryFolder('rules'), 'retention.yaml');
  writeFileSync(RETENTION_FILE, "rules: [{repositories: ['ruled/*'], keep: [{tags: [latest]}], deleteUntagged: 1s}]");
  const server = await startServer({ ...QUICK, RETENTION_FILE, RETENTION_INTERVAL: '1h' });
  const { url, dataPath } = server;
  const [kept, later, shared, ruled] = [image(), image(), image(), image()];
  await pushImage(url, 'team/app', kept, 'v1');
  await pushImage(url, 'team/gone', shared, 'v1');
  await pushImage(url, 'ruled/app', ruled, 'v1');
  const moment = compactNow();
  await nextSecond();
  await pushImage(url, 'team/app', later, 'v2');
  const afterwards = compactNow();
  await nextSecond();
  const pinned = await marina(dataPath, 'pin', moment, '--name', 'q3-audit', '--until', FAR);
  expect(pinned).toMatchObject({ code: 0, stdout: expect.stringContaining('as q3-audit: 3 repositories, until 2099') });
  for (const each of [kept, later]) await removed(server, 'team/app', each);
  expect((await marina(dataPath, 'rm', 'team/gone')).code).toBe(0);
  // Retention deletes from the present as if there were no pin: first the tag, then the manifest.
  for (let run = 0; run < 2; run++) {
    await nextSecond();
    await nextSecond();
    expect((await marina(dataPath, 'retention', '--wait')).code).toBe(0);
  }
  await expectStatus(404, `${url}/v2/ruled/app/manifests/${ruled.descriptor.digest}`);
  await collectAll(server);
  for (const [repo, pushed] of [
    ['team/app', kept],
    ['team/gone', shared],
    ['ruled/app', ruled],
  ] as const) {
    expect(await statuses(server, moment, repo, pushed)).toEqual([200, 200, 200]);
  }
  await expectStatus(200, `${url}/v2/at/${moment}/ruled/app/manifests/v1`);
  const restored = await marina(dataPath, 'restore', 'ruled/app', 'v1', '--at', isoOf(moment));
  expect([restored.code, restored.stderr]).toEqual([0, '']);
  await expectStatus(200, `${url}/v2/ruled/app/manifests/v1`);
  for (const { descriptor } of ruled.blobs) await expectStatus(200, `${url}/v2/ruled/app/blobs/${descriptor.digest}`);
  expect(await statuses(server, afterwards, 'team/app', later)).toEqual([404, 404, 404]);

  const [listed] = (await marina(dataPath, 'pins', '--json')).lines.map((line) => JSON.parse(line));
  expect(listed).toMatchObject({ name: 'q3-audit', repositories: 3, until: '2099-01-01T23:59:59.999Z' });
  expect((await marina(dataPath, 'unpin', 'q3-audit')).code).toBe(0);
  expect((await marina(dataPath, 'pins')).stdout).toBe('there are no pins\n');
  await collectAll(server);
  expect(await statuses(server, moment, 'team/app', kept)).toEqual([404, 404, 404]);
});

test('a pin says what was freed before it, and what is wrong with it', async () => {
  const server = await startServer(QUICK);
  const { url, dataPath } = server;
  const [gone, there] = [image(), image()];
  await pushImage(url, 'team/app', gone, 'v1');
  await pushImage(url, 'team/app', there, 'v2');
  const moment = compactNow();
  await nextSecond();
  await removed(server, 'team/app', gone);
  await collectAll(server);
  const late = await marina(dataPath, 'pin', moment, '--name', 'late', '--until', FAR, '--json');
  expect(late.code).toBe(1);
  const { lost, lostCount } = JSON.parse(late.stdout);
  expect(lostCount).toBe(3);
  expect(lost.map(({ digest }: { digest: string }) => digest).sort()).toEqual(
    [gone, ...gone.blobs].map(({ descriptor }) => descriptor.digest).sort(),
  );
  for (const [args, message] of [
    [['2999-01-01', '--name', 'x', '--until', '3000-01-01'], 'is not in the past'],
    [[moment, '--name', 'x', '--until', '2020-01-01'], 'is over'],
    [[moment, '--name', 'late', '--until', FAR], 'there is a pin late already'],
    [[moment, '--name', 'Not a name', '--until', FAR], 'a name has lower-case letters'],
    [['7', '--name', 'x', '--until', FAR], 'is not a time'],
    [['2020-01-01', '--name', 'x', '--until', FAR], 'the registry had no repository'],
  ] as const) {
    const refused = await marina(dataPath, 'pin', ...args);
    expect([args, refused.code > 0, refused.stderr]).toEqual([args, true, expect.stringContaining(message)]);
  }
  expect((await marina(dataPath, 'unpin', 'never')).code).toBe(1);
});

test('a pin can be created while no server runs', async () => {
  const STORAGE_PATH = temporaryFolder('pinned');
  const server = await startServer({ ...QUICK, STORAGE_PATH });
  await pushImage(server.url, 'team/app', image(), 'v1');
  await nextSecond();
  const moment = compactNow();
  await nextSecond();
  await server.stop();
  expect((await marina(STORAGE_PATH, 'pin', moment, '--name', 'offline', '--until', FAR)).code).toBe(0);
  expect((await marina(STORAGE_PATH, 'pins')).stdout).toContain('offline');
});
