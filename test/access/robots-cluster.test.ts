// Robots in a cluster: every node knows them, and learns of a revocation within 5 seconds.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import { marinaCommand } from '../cli/marina.ts';
import { runnableImage, writeLayout } from '../clients/layout.ts';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/server.ts';
import { basic, bearer, refreshed, robot, robotsIn, secretFrom, statusOf, tokensFor } from './robots.ts';

setDefaultTimeout(TOOLS_WITHIN_MS);
afterAll(stopClusters);

/** "every node knows a revocation within 5 s", plus the time for the test's requests. */
const KNOWN_WITHIN_MS = 6_000;
/** Other load on the machine may slow down a round. */
const ROUNDS = 4;
const folder = temporaryFolder('robots-cluster');

async function startRobots(): Promise<Cluster> {
  const access = join(folder, 'access.yaml');
  writeFileSync(access, `rules: [{ who: 'robot:ci-*', repositories: ['team/**'], actions: [pull, push] }]\n`);
  const key = join(folder, 'token-key.pem');
  writeFileSync(key, makeTokenKey());
  return await startCluster({
    workers: 0,
    env: { ACCESS_FILE: access, TOKEN_KEY_FILE: key, S3_REDIRECT: 'true' },
  });
}

test('a robot logs in on every node, and no node accepts its secret or its tokens after it was revoked', async () => {
  const cluster = await startRobots();
  const urls = cluster.nodes.map(({ url }) => url);
  const secret = await secretFrom(cluster.env, 'create', 'ci-1');
  const everywhere = async (headers: Record<string, string>): Promise<readonly number[]> =>
    await Promise.all(urls.map((url) => statusOf(`${url}/v2/`, headers)));
  await eventually(async () => expect(await onAllThreads(urls, basic('ci-1', secret))).toEqual(new Set([200])));

  // Through the balancer, so on both nodes.
  const [crane] = await tools('crane');
  const image = await runnableImage();
  writeLayout(join(folder, 'image'), image, image.blobs, 'v1');
  const env = { DOCKER_CONFIG: join(folder, 'crane') };
  await run([crane, 'auth', 'login', cluster.host, '--username=robot+ci-1', '--password-stdin'], {
    env,
    input: secret,
  });
  await run([crane, 'push', join(folder, 'image'), `${cluster.host}/team/app:v1`], { env });
  await run([crane, 'pull', '--format=oci', `${cluster.host}/team/app:v1`, join(folder, 'pulled')], { env });

  // URLs of the bucket are valid no longer than a token.
  const blob = `${urls[0]}/v2/team/app/blobs/${image.blobs[0]?.descriptor.digest}`;
  const redirect = await fetch(blob, { headers: basic('ci-1', secret), redirect: 'manual' });
  expect(redirect.status).toBe(307);
  expect(new URL(redirect.headers.get('location') ?? '').searchParams.get('X-Amz-Expires')).toBe('300');

  const times: number[] = [];
  for (let round = 0; round < ROUNDS && Math.min(...times) >= KNOWN_WITHIN_MS; round++) {
    const current = round === 0 ? secret : await secretFrom(cluster.env, 'create', 'ci-1');
    await eventually(async () => expect(await everywhere(basic('ci-1', current))).toEqual([200, 200]));
    times.push(await revoked(cluster, urls, current));
  }
  expect(Math.min(...times)).toBeLessThan(KNOWN_WITHIN_MS);

  await killWhileCreating(cluster);
  await withoutStore(cluster);
});

/** Revokes ci-1. @returns after how many milliseconds each thread of these nodes refused its credentials */
async function revoked({ env }: Cluster, urls: readonly string[], secret: string): Promise<number> {
  const { access, refresh } = await tokensFor(urls[0] ?? '', 'ci-1', secret, 'repository:team/app:pull');
  expect(await Promise.all(urls.map((url) => statusOf(`${url}/v2/`, bearer(access))))).toEqual([200, 200]);
  const { stdout } = await robot(env, 'revoke', 'ci-1');
  const revokedAt = performance.now();
  expect(stdout).toBe('revoked ci-1; every node knows within 5 s\n');
  await eventually(async () => {
    for (const headers of [basic('ci-1', secret), bearer(access)])
      expect(await onAllThreads(urls, headers)).toEqual(new Set([401]));
    expect(await Promise.all(urls.map((url) => refreshed(url, refresh)))).toEqual([401, 401]);
  });
  return performance.now() - revokedAt;
}

/** What all threads of these nodes answer at once. The kernel spreads so many connections over all of them. */
async function onAllThreads(urls: readonly string[], headers: Record<string, string>): Promise<ReadonlySet<number>> {
  const requests = urls.flatMap((url) => Array.from({ length: 20 }, () => statusOf(`${url}/v2/`, headers)));
  return new Set(await Promise.all(requests));
}

/** At any moment the log stays intact, and an existing robot can be given a new secret. */
async function killWhileCreating(cluster: Cluster): Promise<void> {
  const bun = marinaCommand[0] ?? '';
  const names = Array.from({ length: 8 }, (_, n) => `ci-killed-${n}`);
  for (const [n, name] of names.entries()) {
    const command = Bun.spawn([bun, marinaCommand[1] ?? '', 'robot', 'create', name], {
      env: { ...process.env, ...cluster.env },
      ...{ stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' },
    });
    await Bun.sleep(300 + n * 120);
    command.kill('SIGKILL');
    await command.exited;
  }
  const { code, stdout } = await attempt([...marinaCommand, 'fsck', '--json'], { env: cluster.env });
  expect([code, new TextDecoder().decode(stdout)]).toEqual([0, expect.stringContaining('"faults":0')]);
  const left = new Set((await robotsIn(cluster.env)).map(({ name }) => name));
  const secrets = new Map<string, string>();
  for (const name of names)
    secrets.set(name, await secretFrom(cluster.env, left.has(name) ? 'rotate' : 'create', name));
  await eventually(async () => {
    for (const [name, secret] of secrets)
      for (const { url } of cluster.nodes) expect(await statusOf(`${url}/v2/`, basic(name, secret))).toBe(200);
  });
}

/** A node that cannot read the robots reports that, and soon refuses their logins. */
async function withoutStore(cluster: Cluster): Promise<void> {
  const [node] = cluster.nodes;
  if (node === undefined) return expect.unreachable();
  const secret = await secretFrom(cluster.env, 'create', 'ci-2');
  const status = (): Promise<number> => statusOf(`${node.url}/v2/`, basic('ci-2', secret));
  await eventually(async () => expect(await status()).toBe(200));
  cluster.objects.process.kill('SIGSTOP');
  try {
    await eventually(async () => expect(await status()).toBe(503));
    await eventually(() => expect(node.logs().includes('the robots cannot be read')).toBeTrue());
  } finally {
    cluster.objects.process.kill('SIGCONT');
  }
  await eventually(async () => expect(await status()).toBe(200));
  await eventually(() => expect(node.logs().includes('the robots can be read again')).toBeTrue());
}
