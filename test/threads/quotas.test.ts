// One process never exceeds a quota, whichever of its threads get the pushes: on a bucket and in a cluster. For a folder see folder.test.ts.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { metricsOf, NEW_CONNECTION } from './support.ts';

setDefaultTimeout(300_000);

const KIB = 1024;
const FILE = `
rules:
  - {who: anonymous, repositories: ['**'], actions: [pull, push, delete]}
  - {who: anonymous, actions: [metrics]}
quotas:
  - {name: team, repositories: ['team/**'], allowed: {bytes: 100KiB}}
`;

const shapes: Record<string, Readonly<Record<string, string>>> = {};

beforeAll(async () => {
  const folder = temporaryFolder('threads');
  const [ACCESS_FILE, TOKEN_KEY_FILE] = [join(folder, 'access.yaml'), join(folder, 'key.pem')];
  writeFileSync(ACCESS_FILE, FILE);
  writeFileSync(TOKEN_KEY_FILE, makeTokenKey(), { mode: 0o600 });
  const { env } = await startCluster({ nodes: 1, workers: 0, balancer: false });
  const { REDIS_URL: _, ...bucket } = env;
  const common = { THREADS: '4', ACCESS_FILE, TOKEN_KEY_FILE };
  shapes.cluster = { ...env, ...common };
  shapes.bucket = { ...bucket, ...common, S3_PREFIX: 'alone' };
});
afterAll(async () => {
  await cleanUp();
  await stopClusters();
});

const NAME = '%s: the threads of a process fill a quota exactly, and what one of them deletes is free for all';

test.each(['bucket', 'cluster'])(NAME, async (shape) => {
  const server = await startServer(shapes[shape]);
  const used = async () => (await metricsOf(server.url)).get('marina_quota_used{quota="team",resource="bytes"}');
  const push = async (repo: string, { bytes, descriptor } = randomBlob(10 * KIB)) => {
    const target = `${server.url}/v2/${repo}/blobs/uploads/?digest=${descriptor.digest}`;
    const { status } = await fetch(target, { ...NEW_CONNECTION, method: 'POST', body: new Uint8Array(bytes) });
    return { repo, digest: descriptor.digest, status };
  };
  const pushed = await Promise.all(Array.from({ length: 40 }, (_, number) => push(`team/app-${number % 3}`)));
  // One by one those that were refused: what pushes in progress have reserved may be too much.
  for (const [index, { repo, status }] of pushed.entries()) if (status === 403) pushed[index] = await push(repo);
  const stored = pushed.filter(({ status }) => status === 201);
  expect(pushed.filter(({ status }) => status === 403)).toHaveLength(40 - stored.length);
  expect(stored).toHaveLength(10);
  await eventually(async () => expect(await used()).toBe(100 * KIB));
  for (let connection = 0; connection < 20; connection++)
    expect((await push('team/app-0', randomBlob(1))).status).toBe(403);

  // What any thread deletes is free for all of them.
  for (const { repo, digest } of stored)
    await expectStatus(202, `${server.url}/v2/${repo}/blobs/${digest}`, { ...NEW_CONNECTION, method: 'DELETE' });
  await eventually(async () => expect(await used()).toBe(0));
  expect((await push('team/app-1', randomBlob(100 * KIB))).status).toBe(201);
  expect(await server.stop()).toBe(0);
});
