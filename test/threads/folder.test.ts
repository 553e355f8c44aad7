// A data folder served by several threads of one process: four, however many processors there are.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SNAPSHOT_SLOTS } from '../../src/journal/snapshot-due.ts';
import { bearer, robot, secretFrom, statusOf, tokensFor } from '../access/robots.ts';
import { fsck, marina, marinaCommand } from '../cli/marina.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { type Image, image, index, pushImage, pushWithinGrace, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { expectSent, fromAllThreads, send } from './connections.ts';
import { metricsOf } from './support.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const THREADS = { THREADS: '4' };
const KIB = 1024;
const GRACE_MS = 4_000;

const body = (bytes: Uint8Array) => new Uint8Array(bytes);

/** POST of a whole blob, on a connection of its own. */
async function pushBlob({ url }: Server, repo: string, bytes: Uint8Array, digest: string): Promise<number> {
  const target = `${url}/v2/${repo}/blobs/uploads/?digest=${digest}`;
  return (await send(target, { method: 'POST', body: body(bytes) })).status;
}

/** Every request on a connection of its own. */
async function pushEverywhere(server: Server, repo: string, { blobs, bytes, descriptor }: Image, tag: string) {
  for (const blob of blobs) expect(await pushBlob(server, repo, blob.bytes, blob.descriptor.digest)).toBe(201);
  const headers = { 'content-type': descriptor.mediaType };
  await expectSent(201, `${server.url}/v2/${repo}/manifests/${tag}`, { method: 'PUT', headers, body: body(bytes) });
}

async function checkEverywhere({ url }: Server, repo: string, { blobs, bytes, descriptor }: Image): Promise<void> {
  const manifest = await expectSent(200, `${url}/v2/${repo}/manifests/${descriptor.digest}`);
  expect(Buffer.compare(manifest.bytes, bytes)).toBe(0);
  for (const blob of blobs) {
    const served = await expectSent(200, `${url}/v2/${repo}/blobs/${blob.descriptor.digest}`);
    expect(Buffer.compare(served.bytes, blob.bytes)).toBe(0);
  }
}

test('a client pushes and pulls, and all threads show what it pushed', async () => {
  const [crane] = await tools('crane');
  const folder = temporaryFolder('threads');
  const server = await startServer(THREADS);
  const pushed = await runnableImage();
  const layout = join(folder, 'image');
  writeLayout(layout, pushed, pushed.blobs, 'v1');
  await run([crane, 'push', layout, `${server.host}/team/app:v1`]);
  await run([crane, 'pull', '--format=oci', `${server.host}/team/app:v1`, join(folder, 'pulled')]);
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(layout));
  const shown = await fromAllThreads(async () => {
    const { bytes } = await expectSent(200, `${server.url}/v2/_catalog`);
    return new TextDecoder().decode(bytes);
  });
  expect([...shown]).toEqual(['{"repositories":["team/app"]}']);
  expect(await server.stop()).toBe(0);
});

test('an upload goes on from request to request, whichever thread each of them reaches', async () => {
  const server = await startServer(THREADS);
  const uploads = Array.from({ length: 6 }, async (_, number) => {
    const blob = randomBlob(2_500_000 + number);
    const repo = `team/upload-${number % 2}`;
    const begun = await expectSent(202, `${server.url}/v2/${repo}/blobs/uploads/`, { method: 'POST' });
    let location = begun.headers.get('location') ?? '';
    for (let offset = 0; offset < blob.bytes.length; ) {
      const piece = blob.bytes.subarray(offset, offset + 300_000 * (1 + (number % 3)));
      const headers = { 'content-range': `${offset}-${offset + piece.length - 1}` };
      const target = new URL(location, server.url).href;
      const patched = await expectSent(202, target, { method: 'PATCH', headers, body: body(piece) });
      offset += piece.length;
      location = patched.headers.get('location') ?? '';
      const status = await expectSent(204, new URL(location, server.url).href);
      expect(status.headers.get('range')).toBe(`0-${offset - 1}`);
    }
    const target = new URL(location, server.url);
    target.searchParams.set('digest', blob.descriptor.digest);
    await expectSent(201, target.href, { method: 'PUT' });
    const served = await expectSent(200, `${server.url}/v2/${repo}/blobs/${blob.descriptor.digest}`);
    expect(Buffer.compare(served.bytes, blob.bytes)).toBe(0);
    // It has ended for all threads.
    expect(await fromAllThreads(async () => (await send(new URL(location, server.url).href)).status)).toEqual(
      new Set([404]),
    );
  });
  await Promise.all(uploads);
  expect(await server.stop()).toBe(0);
});

test('of requests that write to one upload at once, on different threads, one is accepted', async () => {
  const server = await startServer(THREADS);
  for (let round = 0; round < 5; round++) {
    const begun = await expectSent(202, `${server.url}/v2/team/busy/blobs/uploads/`, { method: 'POST' });
    const target = new URL(begun.headers.get('location') ?? '', server.url).href;
    const piece = randomBlob(400_000).bytes;
    const headers = { 'content-range': `0-${piece.length - 1}` };
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => send(target, { method: 'PATCH', headers, body: body(piece) })),
    );
    // The others came while it was written (409), or after it (416).
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(answers.filter(({ status }) => ![202, 409, 416].includes(status))).toEqual([]);
  }
  expect(await server.stop()).toBe(0);
});

test('kill -9 under load loses no acknowledged push, whichever thread acknowledged it', async () => {
  const STORAGE_PATH = join(temporaryFolder('threads'), 'data');
  let server = await startServer({ ...THREADS, STORAGE_PATH });
  const acknowledged: [string, Image][] = [];
  let isKilled = false;
  const client = async (number: number): Promise<void> => {
    for (let round = 0; !isKilled; round++) {
      const pushed = image({ layers: [randomBlob(1_000), randomBlob(round % 5 === 0 ? 400_000 : 100)] });
      const repo = `team/app-${(number + round) % 5}`;
      try {
        await pushEverywhere(server, repo, pushed, `t${number}-${round}`);
      } catch (error) {
        if (isKilled) return;
        throw error;
      }
      acknowledged.push([repo, pushed]);
    }
  };
  const clients = Array.from({ length: 8 }, (_, number) => client(number));
  await eventually(() => expect(acknowledged.length).toBeGreaterThan(60));
  isKilled = true;
  await server.kill();
  await Promise.all(clients);
  server = await startServer({ ...THREADS, STORAGE_PATH });
  for (const [repo, pushed] of acknowledged) await checkEverywhere(server, repo, pushed);
  expect(await server.stop()).toBe(0);
  expect((await fsck(STORAGE_PATH, '--scrub')).faults).toEqual([]);
});

test('garbage is collected while all threads push and delete, and nothing that is acknowledged', async () => {
  const dataPath = join(temporaryFolder('threads'), 'data');
  const settings = { STORAGE_PATH: dataPath, GC_GRACE: `${GRACE_MS}ms`, UPLOAD_EXPIRY: '30s', GC_INTERVAL: '500ms' };
  const server = await startServer({ ...THREADS, ...settings });
  const { url } = server;
  const shared = Array.from({ length: 3 }, () => randomBlob(40_000));
  const live: [string, Image][] = [];
  const deleted: string[] = [];
  const client = async (number: number): Promise<void> => {
    const repo = `team/app-${number % 3}`;
    for (let round = 0; round < 10; round++) {
      const pushed = image({ layers: [shared[(number + round) % 3] ?? randomBlob(10), randomBlob(30_000)] });
      await pushWithinGrace(GRACE_MS, () => pushEverywhere(server, repo, pushed, `t${number}-${round}`));
      if (round % 3 === 0) live.push([repo, pushed]);
      else {
        await expectSent(202, `${url}/v2/${repo}/manifests/${pushed.descriptor.digest}`, { method: 'DELETE' });
        deleted.push(pushed.descriptor.digest);
      }
      await Bun.sleep(150);
    }
  };
  await Promise.all([0, 1, 2, 3].map(client));
  for (const [repo, pushed] of live) await checkEverywhere(server, repo, pushed);
  await eventually(async () => {
    const ended = await attempt([...marinaCommand, 'gc', '--wait'], { env: { STORAGE_PATH: dataPath } });
    expect(ended.code).toBe(0);
    // The deleted manifests and their own layers. What they share with live images stays.
    expect((await fsck(dataPath)).summary.objects).toBeLessThanOrEqual(live.length * 4 + shared.length);
  });
  for (const [repo, pushed] of live) await checkEverywhere(server, repo, pushed);
  expect(deleted.length).toBeGreaterThan(20);
  expect(await server.stop()).toBe(0);
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
});

test('a robot that is revoked can do nothing more on any thread, from when the command has ended', async () => {
  const folder = temporaryFolder('threads');
  const [STORAGE_PATH, ACCESS_FILE] = [join(folder, 'data'), join(folder, 'access.yaml')];
  writeFileSync(ACCESS_FILE, "rules: [{ who: 'robot:ci-*', repositories: ['team/**'], actions: [pull, push] }]\n");
  const server = await startServer({ ...THREADS, ACCESS_FILE, STORAGE_PATH });
  for (let round = 0; round < 3; round++) {
    const secret = await secretFrom({ STORAGE_PATH }, 'create', `ci-${round}`);
    const basic = `Basic ${Buffer.from(`robot+ci-${round}:${secret}`).toString('base64')}`;
    const { access } = await tokensFor(server.url, `ci-${round}`, secret, 'repository:team/app:pull,push');
    const statuses = async () => [
      ...(await fromAllThreads(
        async () => (await send(`${server.url}/v2/`, { headers: { authorization: basic } })).status,
      )),
      ...(await fromAllThreads(async () => (await send(`${server.url}/v2/`, { headers: bearer(access) })).status)),
    ];
    expect(await statuses()).toEqual([200, 200]);
    expect((await robot({ STORAGE_PATH }, 'revoke', `ci-${round}`)).code).toBe(0);
    expect(await statuses()).toEqual([401, 401]);
  }
  expect(await statusOf(`${server.url}/v2/`)).toBe(401);
  expect(await server.stop()).toBe(0);
});

test('the registry is read-only on all threads from when the command has ended, and writable again', async () => {
  const server = await startServer(THREADS);
  const start = async () => (await send(`${server.url}/v2/team/app/blobs/uploads/`, { method: 'POST' })).status;
  await pushImage(server.url, 'team/app', image(), 'v1');
  for (let round = 0; round < 3; round++) {
    expect((await marina(server.dataPath, 'read-only', 'on')).code).toBe(0);
    expect(await fromAllThreads(start)).toEqual(new Set([503]));
    expect((await marina(server.dataPath, 'read-only', 'off')).code).toBe(0);
    expect(await fromAllThreads(start)).toEqual(new Set([202]));
  }
  expect(await server.stop()).toBe(0);
});

test('a long log gets a snapshot, whichever threads wrote its slots', async () => {
  const server = await startServer(THREADS);
  const { bytes, descriptor } = index([]);
  const headers = { 'content-type': descriptor.mediaType };
  for (let slot = 1; slot <= SNAPSHOT_SLOTS + 20; slot++) {
    const target = `${server.url}/v2/team/long/manifests/t${slot}`;
    await expectSent(201, target, { method: 'PUT', headers, body: body(bytes) });
  }
  await eventually(() => expect(readdirSync(join(server.dataPath, 'repos/team/long/_snap'))).toHaveLength(1));
  expect(await server.stop()).toBe(0);
});

test('the threads never exceed a quota together, and all of them count what each has written', async () => {
  const path = join(temporaryFolder('threads'), 'access.yaml');
  const rules =
    "rules:\n  - {who: anonymous, repositories: ['**'], actions: [pull, push, delete]}\n  - {who: anonymous, actions: [metrics]}\n";
  writeFileSync(
    `${path}.new`,
    `${rules}quotas:\n  - {name: team, repositories: ['team/**'], allowed: {bytes: 100KiB}}\n  - {name: few, repositories: ['few/**'], allowed: {tags: 5}}\n`,
  );
  renameSync(`${path}.new`, path);
  const server = await startServer({ ...THREADS, ACCESS_FILE: path });
  const blobs = Array.from({ length: 30 }, () => randomBlob(9 * KIB));
  const push = async (repo: string, { bytes, descriptor }: (typeof blobs)[number]) =>
    await pushBlob(server, repo, bytes, descriptor.digest);
  /** At once, and then those that were refused one by one: what pushes in progress have reserved may be too much. */
  const accepted = async (tries: readonly (() => Promise<number>)[]): Promise<number> => {
    const statuses = await Promise.all(tries.map((attempt) => attempt()));
    for (const [index, status] of statuses.entries())
      if (status === 403) statuses[index] = (await tries[index]?.()) ?? 0;
    expect(statuses.filter((status) => ![201, 403].includes(status))).toEqual([]);
    return statuses.filter((status) => status === 201).length;
  };
  expect(await accepted(blobs.map((blob, number) => () => push(`team/app-${number % 3}`, blob)))).toBe(11);
  expect(await fromAllThreads(() => push('team/app-0', randomBlob(2 * KIB)))).toEqual(new Set([403]));

  // Tags are counted within the decision.
  const tagged = image({ layers: [], config: randomBlob(10) });
  expect(await push('few/app', tagged.blobs[0] ?? randomBlob(1))).toBe(201);
  const headers = { 'content-type': tagged.descriptor.mediaType };
  const tag = async (name: string) => {
    const target = `${server.url}/v2/few/app/manifests/${name}`;
    return (await send(target, { method: 'PUT', headers, body: body(tagged.bytes) })).status;
  };
  expect(await accepted(Array.from({ length: 20 }, (_, number) => () => tag(`t${number}`)))).toBe(5);
  const { bytes: list } = await expectSent(200, `${server.url}/v2/few/app/tags/list`);
  const { tags }: { readonly tags: readonly string[] } = JSON.parse(new TextDecoder().decode(list));
  expect(tags).toHaveLength(5);
  // What is there can be pushed again, on any thread.
  expect(await fromAllThreads(() => tag(tags[0] ?? ''))).toEqual(new Set([201]));
  await expectSent(202, `${server.url}/v2/few/app/manifests/${tags[0]}`, { method: 'DELETE' });
  expect(await tag('another')).toBe(201);
  expect(await fromAllThreads(() => tag('one-more'))).toEqual(new Set([403]));
  expect((await metricsOf(server.url)).get('marina_quota_used{quota="few",resource="tags"}')).toBe(5);
  expect(await server.stop()).toBe(0);
});
