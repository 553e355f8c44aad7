// fsck --repair on a bucket: the command itself writes to the log, beside a server, which cannot lock a bucket, and like another node of a cluster.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { Incarnation } from '../../src/oci/names.ts';
import { dataKey } from '../../src/storage/paths.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { attempt, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { ACCESS_KEY, plainClient, SECRET_KEY, startMinio } from '../support/minio.ts';
import { expectStatus, type Image, image, pushImage, randomBlob } from '../support/oci.ts';
import { type Server, startServer } from '../support/server.ts';
import { type LoggedEvent, linesOf, marinaCommand, OPERATOR_HERE } from './marina.ts';

beforeAll(async () => {
  await tools('minio', 'redis-server');
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

const [HURT, WHOLE] = ['team/hurt', 'team/whole'];
/** Without a cache, so that the linked bytes are served. */
const UNCACHED = { CONTENT_CACHE: '0' };

interface Site {
  readonly nodes: readonly Server[];
  readonly env: Readonly<Record<string, string>>;
}

const sites: Readonly<Record<string, () => Promise<Site>>> = {
  'one process': async () => {
    const objects = await startMinio();
    await objects.makeBucket('registry');
    const env = {
      ...{ STORAGE_DRIVER: 's3', S3_BUCKET: 'registry', S3_ENDPOINT: objects.endpoint, S3_FORCE_PATH_STYLE: 'true' },
      ...{ AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY, ...UNCACHED },
    };
    return { nodes: [await startServer(env)], env };
  },
  'a cluster': async () => await startCluster({ workers: 0, balancer: false, env: UNCACHED }),
};

/** Direct access to the bucket. */
function bucketOf({ S3_BUCKET: Bucket = '', S3_ENDPOINT: endpoint = '' }: Site['env']) {
  const client: S3Client = plainClient(endpoint);
  const remove = (Key: string) => client.send(new DeleteObjectCommand({ Bucket, Key }));
  return {
    remove,
    put: (Key: string, Body: Uint8Array) => client.send(new PutObjectCommand({ Bucket, Key, Body })),
    forgetHints: async () => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'digests/' }));
      expect(Contents.length).toBeGreaterThan(0);
      for (const { Key = '' } of Contents) await remove(Key);
    },
    close: () => client.destroy(),
  };
}

async function marina({ env }: Site, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args, '--json'], { env });
  expect(stderr).toBe('');
  const said = linesOf(new TextDecoder().decode(stdout)).map((line) => JSON.parse(line));
  return { code, said, of: (type: string) => said.filter((line) => line.type === type) };
}

async function eventsOf(site: Site, repo: string): Promise<LoggedEvent[]> {
  return (await marina(site, 'log', repo)).said;
}

async function checkPulls({ url }: Server, pushed: Image): Promise<void> {
  const manifest = await expectStatus(200, `${url}/v2/${HURT}/manifests/v1`);
  expect(Buffer.compare(manifest.bytes, pushed.bytes)).toBe(0);
  for (const { descriptor, bytes } of pushed.blobs) {
    const answer = await expectStatus(200, `${url}/v2/${HURT}/blobs/${descriptor.digest}`);
    expect(Buffer.compare(answer.bytes, bytes)).toBe(0);
  }
}

for (const [name, open] of Object.entries(sites)) {
  test(`of ${name}: lost, truncated or altered objects are reported and repaired, and can be pulled from every node at once`, async () => {
    const site = await open();
    const { nodes } = site;
    const bucket = bucketOf(site.env);
    const [node] = nodes;
    if (node === undefined) return expect.unreachable();
    const pushed = image({ layers: [randomBlob(1_000), randomBlob(100_000)] });
    for (const repo of [HURT, WHOLE]) {
      await pushImage(node.url, repo, pushed, 'v1');
      await bucket.forgetHints();
    }
    const linked = await eventsOf(site, HURT);
    const keyOf = (digest: string): string => {
      const { inc } = linked.findLast(({ event }) => event.digest === digest && event.inc !== undefined)?.event ?? {};
      return dataKey(inc ?? expect.unreachable());
    };
    const digests = [pushed, ...pushed.blobs].map(({ descriptor }) => descriptor.digest);
    const [manifest = '', config = '', small = '', large = ''] = digests;
    for (const each of nodes) await checkPulls(each, pushed);
    await bucket.remove(keyOf(manifest));
    await bucket.remove(keyOf(config));
    await bucket.put(keyOf(small), new Uint8Array(10));
    await bucket.put(keyOf(large), new Uint8Array(100_000));
    for (const { url } of nodes) expect((await fetch(`${url}/v2/${HURT}/blobs/${config}`)).status).not.toBe(200);

    const seen = await marina(site, 'fsck', '--scrub');
    expect(seen.code).toBe(1);
    expect(
      seen
        .of('finding')
        .map(({ problem, repo, digest }) => [problem, repo, digest])
        .sort(),
    ).toEqual(
      [
        ['object-missing', HURT, manifest],
        ['object-missing', HURT, config],
        ['object-length', HURT, small],
        ['object-digest', HURT, large],
      ].sort(),
    );
    expect(await eventsOf(site, HURT)).toEqual(linked);

    const { code, said, of } = await marina(site, 'fsck', '--scrub', '--repair');
    expect(code).toBe(0);
    for (const each of nodes) await checkPulls(each, pushed);
    const repairs = of('repair').map(({ outcome, repo, from, digest }) => [outcome, repo, from, digest]);
    expect(repairs.sort()).toEqual(digests.map((digest) => ['repaired', HURT, WHOLE, digest]).sort());
    expect(said.at(-1)).toMatchObject({ type: 'summary', faults: 4, repaired: 4 });
    const events = await eventsOf(site, HURT);
    expect(events.slice(0, linked.length)).toEqual(linked);
    const sources = new Set<Incarnation | undefined>((await eventsOf(site, WHOLE)).map(({ event }) => event.inc));
    for (const { event } of events.slice(linked.length)) {
      expect([event.actor, sources.has(event.inc)]).toEqual([OPERATOR_HERE, true]);
    }
    expect(events).toHaveLength(linked.length + 4);

    const clean = await marina(site, 'fsck', '--scrub', '--repair');
    expect([clean.code, clean.of('finding'), clean.of('repair')]).toEqual([0, [], []]);
    // Later writes of a node build on the repair.
    await pushImage(nodes.at(-1)?.url ?? '', HURT, image(), 'v2');
    for (const each of nodes) await checkPulls(each, pushed);
    bucket.close();
  });
}
