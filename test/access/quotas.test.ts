// Quotas of ACCESS_FILE on a running server.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { type Content, content, expectStatus, image, pushBlob, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, projectRoot, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const KIB = 1024;

/** A file that allows everyone everything within these quotas. */
function writeQuotas(path: string, quotas: string): void {
  const rules =
    "rules:\n  - {who: anonymous, repositories: ['**'], actions: [pull, push, delete]}\n  - {who: anonymous, actions: [metrics]}\n";
  writeFileSync(`${path}.new`, `${rules}quotas:\n${quotas}`);
  renameSync(`${path}.new`, path);
}

async function startLimited(quotas: string, env: Readonly<Record<string, string>> = {}) {
  const path = join(temporaryFolder('access'), 'access.yaml');
  writeQuotas(path, quotas);
  return { path, server: await startServer({ ACCESS_FILE: path, ...env }) };
}

/** POST of a whole blob. */
async function push({ url }: Server, repo: string, { bytes, descriptor }: Content) {
  const response = await fetch(`${url}/v2/${repo}/blobs/uploads/?digest=${descriptor.digest}`, {
    method: 'POST',
    body: new Uint8Array(bytes),
  });
  return { status: response.status, body: await response.text() };
}

async function gauge({ url }: Server, name: string): Promise<string | undefined> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
  return lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1];
}

const used = (server: Server, resource: string) =>
  gauge(server, `marina_quota_used{quota="team",resource="${resource}"}`);

test('concurrent pushes fill a quota and never exceed it; the others are DENIED with the used and allowed amounts', async () => {
  const STORAGE_PATH = join(temporaryFolder('quotas'), 'data');
  const { server, path } = await startLimited(
    "  - {name: team, repositories: ['team/**'], allowed: {bytes: 100KiB, repositories: 3}}\n",
    { STORAGE_PATH },
  );
  const blobs = Array.from({ length: 30 }, () => randomBlob(10 * KIB));
  const answers = await Promise.all(blobs.map((blob, number) => push(server, `team/app-${number % 3}`, blob)));
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
  const refused = answers.filter(({ status }) => status !== 201);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([403]));
  const { status, body } = await push(server, 'team/app-0', randomBlob(1));
  expect([status, JSON.parse(body)]).toEqual([
    403,
    {
      errors: [
        {
          code: 'DENIED',
          message:
            'quota of team: used 100.0 KiB of 100.0 KiB; delete manifests that are not needed, whose blobs are unlinked some time later, or ask for a larger quota',
          detail: { quota: 'team', resource: 'bytes', used: 100 * KIB, allowed: 100 * KIB },
        },
      ],
    },
  ]);
  expect((await push(server, 'team/app-4', randomBlob(1))).status).toBe(403);
  expect((await push(server, 'other', randomBlob(50 * KIB))).status).toBe(201);
  // Existing content can be pushed again.
  const stored = answers.findIndex((each) => each.status === 201);
  expect((await push(server, `team/app-${stored % 3}`, blobs[stored] ?? randomBlob(1))).status).toBe(201);
  expect(await used(server, 'bytes')).toBe(String(100 * KIB));
  expect(await gauge(server, 'marina_quota_allowed{quota="team",resource="bytes"}')).toBe(String(100 * KIB));
  expect(await used(server, 'repositories')).toBe('3');
  expect(Number(await gauge(server, 'marina_quota_refusals_total{quota="team",resource="bytes"}'))).toBeGreaterThan(20);
  expect(await server.stop()).toBe(0);

  // The usage is counted again from the logs.
  const again = await startServer({ ACCESS_FILE: path, STORAGE_PATH });
  await eventually(async () => expect(await gauge(again, 'marina_quota_counted')).toBe('1'));
  expect([await used(again, 'bytes'), await used(again, 'repositories')]).toEqual([String(100 * KIB), '3']);
  expect((await push(again, 'team/app-1', randomBlob(1))).status).toBe(403);
  expect(await again.stop()).toBe(0);
});

test('deletes and collection free space, and a changed file takes effect', async () => {
  const { server, path } = await startLimited(
    "  - {name: team, repositories: ['team/**'], allowed: {bytes: 100KiB, tags: 1}}\n",
    // The grace is longer than a push takes on a busy machine.
    { GC_GRACE: '4s', GC_INTERVAL: '500ms', UPLOAD_EXPIRY: '30s' },
  );
  const first = image({ layers: [randomBlob(90 * KIB)] });
  await pushImage(server.url, 'team/app', first, 'v1');
  const second = image({ layers: [randomBlob(50 * KIB)] });
  await expect(pushBlob(server.url, 'team/app', second.blobs[1] ?? randomBlob(1))).rejects.toThrow('403');
  await expectStatus(403, `${server.url}/v2/team/app/manifests/v2`, {
    method: 'PUT',
    headers: { 'content-type': first.descriptor.mediaType },
    body: new Uint8Array(first.bytes),
  });
  await expectStatus(202, `${server.url}/v2/team/app/manifests/${first.descriptor.digest}`, { method: 'DELETE' });
  expect(await used(server, 'tags')).toBe('0');
  await eventually(async () => expect(await used(server, 'bytes')).toBe('0'));
  await pushImage(server.url, 'team/app', second, 'v2');

  writeQuotas(path, "  - {name: team, repositories: ['team/**'], allowed: {tags: 2}}\n");
  await eventually(async () =>
    expect(await gauge(server, 'marina_quota_allowed{quota="team",resource="tags"}')).toBe('2'),
  );
  expect((await push(server, 'team/app', randomBlob(200 * KIB))).status).toBe(201);
  writeQuotas(path, "  - {name: all, repositories: ['**'], allowed: {bytes: 1KiB}}\n");
  await eventually(async () => expect((await push(server, 'team/app', randomBlob(1))).status).toBe(403));
  expect(await server.stop()).toBe(0);
});

test('wrong quotas stop the start, with one line that names file, line and reason', async () => {
  const path = join(temporaryFolder('access'), 'access.yaml');
  writeQuotas(path, '  - {name: team, repositories: [a], allowed: {bytes: much}}\n');
  const { code, stderr } = await attempt(
    [join(projectRoot, 'node_modules', '.bin', 'bun'), join(projectRoot, 'src', 'main.ts')],
    { env: { ACCESS_FILE: path, PORT: '0', STORAGE_PATH: join(temporaryFolder('access'), 'data') } },
  );
  expect([code, stderr]).toEqual([
    1,
    `marina: ACCESS_FILE=${path} cannot be used: line 5, column 54 (quotas[0].allowed.bytes): a size like 4096, 512KiB, 64MiB or 1GiB is expected\n`,
  ]);
});

test('a body without a length is counted when it has arrived', async () => {
  const { server } = await startLimited('  - {name: team, repositories: [a], allowed: {bytes: 10KiB}}\n');
  const blob = content(new Uint8Array(20 * KIB), 'application/octet-stream');
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(blob.bytes);
      controller.close();
    },
  });
  const target = `${server.url}/v2/a/blobs/uploads/?digest=${blob.descriptor.digest}`;
  expect((await fetch(target, { method: 'POST', body })).status).toBe(201);
  expect(await used(server, 'bytes')).toBe(String(20 * KIB));
  expect((await push(server, 'a', randomBlob(1))).status).toBe(403);
  expect(await server.stop()).toBe(0);
});
