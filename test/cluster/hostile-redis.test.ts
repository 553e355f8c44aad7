// A stranger writes to Redis: nodes validate what they read there. Real nodes, Redis and MinIO.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { type Cluster, startCluster, stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { plainClient } from '../support/minio.ts';
import { digestOf, expectStatus, image, pushBlob, pushImage, randomBlob } from '../support/oci.ts';

setDefaultTimeout(300_000);

let cluster: Cluster;
let client: S3Client;
/** ULID of the store. */
let store: string;
const REPO = 'team/app';
const PART_BYTES = 5 * 1024 ** 2;

beforeAll(async () => {
  cluster = await startCluster({
    ...{ nodes: 2, workers: 0, balancer: false },
    env: { S3_PART_SIZE: String(PART_BYTES) },
  });
  client = plainClient(cluster.objects.endpoint);
  await pushImage(cluster.url, REPO, image(), 'kept');
  const keys = await cluster.redis.cli('KEYS', `{*:${REPO}}:meta`);
  store = keys.slice(1, 27);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  client.destroy();
  await stopClusters();
}, 300_000);

/** Without the feed's notes, which are written later than what they tell. */
async function allKeys(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'marina' }));
  return Contents.map(({ Key = '' }) => Key).filter((key) => !key.startsWith('notes/'));
}

/**
 * Returns a function that gives the error lines with this word that the nodes have logged since this call, once they have logged this
 * many requests whose lines have all of these words.
 */
function errorsSince(word: string): (requests: number, ...words: readonly string[]) => Promise<string[]> {
  const before = cluster.nodes.map((node) => node.logs().length);
  return async (requests, ...words) => {
    let lines: readonly string[] = [];
    // Lines are written a moment after the response. Each thread writes them in their order, that of the request last.
    await eventually(() => {
      lines = cluster.nodes.flatMap((node, index) => node.logs().slice(before[index]).split('\n').slice(0, -1));
      const answered = lines.filter((line) => ['"msg":"request"', ...words].every((each) => line.includes(each)));
      expect(answered.length).toBeGreaterThanOrEqual(requests);
    });
    return lines.filter((line) => line.includes('"level":50') && line.includes(word));
  };
}

describe('an upload', () => {
  /** Begins an upload with bytes after the last whole part. */
  async function begin(): Promise<{ readonly location: string; readonly key: string; readonly id: string }> {
    const begun = await expectStatus(202, `${cluster.url}/v2/${REPO}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(begun.headers.get('location') ?? '', cluster.url).href;
    const body = randomBlob(1000).bytes;
    await expectStatus(202, location, { method: 'PATCH', body });
    const id = location.slice(location.lastIndexOf('/') + 1);
    return { location, id, key: `{${store}:u:${id}}` };
  }

  type StoredRecord = Record<string, unknown> & { readonly state: string };
  type StoredState = Record<string, unknown> & { readonly tail: { readonly key: string; readonly size: number } };

  const withState =
    (change: (state: StoredState, slot: string) => unknown) =>
    (record: StoredRecord, slot: string): unknown => ({
      ...record,
      state: JSON.stringify(change(JSON.parse(record.state) as StoredState, slot)),
    });

  const rows: readonly (readonly [string, (record: StoredRecord, slot: string) => unknown])[] = [
    ['whose tail is a slot of a log', withState((state, slot) => ({ ...state, tail: { ...state.tail, key: slot } }))],
    ['whose old tail is a slot of a log', withState((state, slot) => ({ ...state, stale: [slot] }))],
    [
      'whose tail is another object with the same name at the end',
      withState((state) => ({ ...state, stale: [`uploads/x/../${state.tail.key}`] })),
    ],
    ['whose state has no number of bytes', withState((state) => ({ ...state, tail: { ...state.tail, size: '9' } }))],
    ['whose state has fewer bytes', withState(({ tail: _, ...state }) => state)],
    ['whose state is not JSON', (record) => ({ ...record, state: '{' })],
    ['without a state', ({ state: _, ...record }) => record],
    ['of another id', (record) => ({ ...record, id: '01234567-89ab-8cde-8f01-23456789abcd' })],
    ['of another repository', (record) => ({ ...record, repo: 'team/other' })],
    ['of a repository that is a path', (record) => ({ ...record, repo: '../../x' })],
    ['of another actor', (record) => ({ ...record, actor: 'stranger' })],
    ['of an incarnation that is a path', (record) => ({ ...record, inc: '../repos/x' })],
    ['without an incarnation', ({ inc: _, ...record }) => record],
    ['of an unknown algorithm', (record) => ({ ...record, algorithm: 'md5' })],
    ['with a negative offset', (record) => ({ ...record, offset: -1 })],
    ['with an offset beyond 2^53', (record) => ({ ...record, offset: 2 ** 60 })],
    ['that is not a record', () => [1, 2]],
  ];

  test.each(rows)('%s is unknown, with one line in the log, and no object is deleted', async (_, change) => {
    const slots = (await allKeys()).filter((key) => key.includes('/_log/'));
    const [slot = ''] = slots;
    for (const method of ['PATCH', 'PUT', 'DELETE', 'GET']) {
      const { location, key, id } = await begin();
      const record = JSON.parse(await cluster.redis.cli('HGET', key, 'record')) as StoredRecord;
      await cluster.redis.cli('HSET', key, 'record', JSON.stringify(change(record, slot)));
      const [before, errors] = [await allKeys(), errorsSince(id)];
      const body = new Uint8Array(10);
      const url = method === 'PUT' ? `${location}?digest=${digestOf(body)}` : location;
      await expectStatus(404, url, { method, ...(method.startsWith('P') ? { body } : {}) });
      await expectStatus(404, url.replace(cluster.url, cluster.nodes[1]?.url ?? ''), { method: 'GET' });
      expect(await allKeys()).toEqual(before);
      expect(await errors(2, id, '"status":404')).toHaveLength(1);
    }
  });

  test('that claims the object of another blob neither replaces its bytes nor is linked to it', async () => {
    const victim = randomBlob(2 * PART_BYTES + 1000);
    const before = new Set(await allKeys());
    await pushBlob(cluster.url, 'team/other', victim);
    const inc = (await allKeys()).find((key) => key.startsWith('data/') && !before.has(key))?.slice(-26);
    for (const size of [victim.bytes.length, victim.bytes.length - 1]) {
      const { location, key } = await begin();
      const record = JSON.parse(await cluster.redis.cli('HGET', key, 'record')) as StoredRecord;
      const { state: _, digest: __, ...rest } = record;
      await cluster.redis.cli('HSET', key, 'record', JSON.stringify({ ...rest, offset: 0, inc }));
      const body = randomBlob(size).bytes;
      await expectStatus(202, location, { method: 'PATCH', body });
      const status = size === victim.bytes.length ? 400 : 404;
      await expectStatus(status, `${location}?digest=${digestOf(body)}`, { method: 'PUT' });
    }
    const pulled = await expectStatus(200, `${cluster.url}/v2/team/other/blobs/${victim.descriptor.digest}`);
    expect(digestOf(pulled.bytes)).toBe(victim.descriptor.digest);
  });

  test('whose key has another type is unknown, with one line in the log', async () => {
    for (const [method, ...put] of [
      ['GET', 'SET', '1'],
      ['PATCH', 'SADD', '1'],
      ['DELETE', 'HSET', 'until', 'soon', 'token', 'x'],
    ] as const) {
      const { location, key, id } = await begin();
      const [command = '', ...words] = put;
      if (command !== 'HSET') await cluster.redis.cli('DEL', key);
      await cluster.redis.cli(command, key, ...words);
      const errors = errorsSince(id);
      await expectStatus(404, location, { method, ...(method === 'PATCH' ? { body: new Uint8Array(10) } : {}) });
      await expectStatus(404, location, { method: 'GET' });
      expect(await errors(2, id, '"status":404')).toHaveLength(1);
    }
  });

  test('begins and ends although a shared key has another type', async () => {
    const errors = errorsSince('script');
    for (const key of [`{${store}:u}:epoch`, `{${store}:u}:index`]) {
      await cluster.redis.cli('DEL', key);
      await cluster.redis.cli('SADD', key, 'x');
      const { location } = await begin();
      await expectStatus(204, location, { method: 'GET' });
      await expectStatus(204, location, { method: 'DELETE' });
    }
    // Each began, got bytes, was looked at and ended.
    expect(await errors(8, '/blobs/uploads/')).toHaveLength(2);
  });
});

describe('a view', () => {
  test('that a stranger wrote to is rebuilt, with one line in the log, and serves as before', async () => {
    const keys = (await cluster.redis.cli('KEYS', `{${store}:${REPO}}:*:manifests`)).split('\n');
    const errors = errorsSince(REPO);
    const before = await allKeys();
    for (const key of keys) {
      const digest = (await cluster.redis.cli('HKEYS', key)).split('\n')[0] ?? '';
      await cluster.redis.cli('HSET', key, digest, '- \n{"inc":"../../x"}');
    }
    for (const { url } of cluster.nodes) await expectStatus(200, `${url}/v2/${REPO}/manifests/kept`);
    expect(await allKeys()).toEqual(before);
    expect(await errors(2, `/v2/${REPO}/manifests/kept`)).toHaveLength(1);
  });
});
