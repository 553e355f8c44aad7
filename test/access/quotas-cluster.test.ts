// Quotas of ACCESS_FILE in a cluster: each node counts what the others wrote, a little later.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type Content, expectStatus, randomBlob } from '../support/oci.ts';
import { type Server, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

const KIB = 1024;
const NODES = 2;
/** How long it may take on a busy machine until a node knows what another one wrote. */
const COUNTED_WITHIN_MS = 60_000;

const FILE = `
rules:
  - {who: anonymous, repositories: ['**'], actions: [pull, push, delete]}
  - {who: anonymous, actions: [metrics]}
quotas:
  - {name: team, repositories: ['team/**'], allowed: {bytes: 100KiB, repositories: 3}}
`;

async function push({ url }: Server, repo: string, { bytes, descriptor }: Content): Promise<number> {
  const target = `${url}/v2/${repo}/blobs/uploads/?digest=${descriptor.digest}`;
  return (await fetch(target, { method: 'POST', body: new Uint8Array(bytes) })).status;
}

async function used({ url }: Server, resource: string): Promise<number> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
  const name = `marina_quota_used{quota="team",resource="${resource}"} `;
  return Number(lines.find((line) => line.startsWith(name))?.slice(name.length));
}

test('each node fills a quota at most once, all soon know the usage, and a delete on one frees space on all', async () => {
  const folder = temporaryFolder('access');
  const [ACCESS_FILE, TOKEN_KEY_FILE] = [join(folder, 'access.yaml'), join(folder, 'key.pem')];
  writeFileSync(ACCESS_FILE, FILE);
  writeFileSync(TOKEN_KEY_FILE, makeTokenKey(), { mode: 0o600 });
  const cluster = await startCluster({
    balancer: false,
    nodes: NODES,
    workers: 0,
    env: { ACCESS_FILE, TOKEN_KEY_FILE },
  });
  const [one, other] = cluster.nodes;
  if (one === undefined || other === undefined) return expect.unreachable();

  const pushed = await Promise.all(
    cluster.nodes.flatMap((node) =>
      Array.from({ length: 20 }, async (_, number) => {
        const [repo, blob] = [`team/app-${number % 3}`, randomBlob(10 * KIB)] as const;
        return { node, repo, blob, status: await push(node, repo, blob) };
      }),
    ),
  );
  expect(new Set(pushed.map(({ status }) => status))).toEqual(new Set([201, 403]));
  for (const node of cluster.nodes) {
    const stored = pushed.filter((each) => each.node === node && each.status === 201);
    expect(stored.length).toBeLessThanOrEqual(10);
  }
  const stored = pushed.filter(({ status }) => status === 201);
  const bytes = stored.length * 10 * KIB;
  expect(bytes).toBeGreaterThanOrEqual(100 * KIB);
  for (const node of cluster.nodes) {
    await eventually(
      async () => expect([await used(node, 'bytes'), await used(node, 'repositories')]).toEqual([bytes, 3]),
      COUNTED_WITHIN_MS,
    );
    expect(await push(node, 'team/app-0', randomBlob(1))).toBe(403);
    // A name that is new to the other node counts for both.
    expect(await push(node, 'team/app-9', randomBlob(1))).toBe(403);
  }

  for (const { repo, blob } of stored)
    await expectStatus(202, `${one.url}/v2/${repo}/blobs/${blob.descriptor.digest}`, { method: 'DELETE' });
  await eventually(async () => expect(await used(other, 'bytes')).toBe(0), COUNTED_WITHIN_MS);
  await eventually(async () => expect(await used(one, 'bytes')).toBe(0), COUNTED_WITHIN_MS);
  expect(await push(other, 'team/app-0', randomBlob(100 * KIB))).toBe(201);

  // A node counts all logs when it starts.
  await one.stop();
  const again = await cluster.restart(0);
  await eventually(async () => expect(await used(again, 'bytes')).toBe(100 * KIB), COUNTED_WITHIN_MS);
  expect(await push(again, 'team/app-1', randomBlob(1))).toBe(403);
});
