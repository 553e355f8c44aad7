// When Redis is full, pushes are refused before anything is written; deletes succeed, and then pushes work again.
import { afterAll, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { accept } from '../../src/journal/command.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import { foldLog } from '../../src/journal/log.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../../src/oci/names.ts';
import { startRedis } from '../support/redis.ts';
import { manyDigests, type OpenNode, redisWorld, tagsOf } from '../support/redis-projections.ts';
import { refusalOf } from '../support/registry.ts';
import { REPO } from '../support/slots.ts';

const world = redisWorld();
/** Enough for a reply of a script and the buffers of a few connections. */
const ROOM_BYTES = 4 * 1024 ** 2;
const OTHER = 'team/other' as RepositoryName;

const node: { now?: OpenNode } = {};
afterAll(() => node.now?.redis.close());

function put(digest: Digest, index: number): JournalEvent[] {
  const annotations = { note: 'x'.repeat(20_000) };
  const inc = ulid() as Incarnation;
  return [
    { type: 'blob.linked', digest: blobOf(digest), size: 1, inc: ulid() as Incarnation },
    { type: 'manifest.put', digest, size: 1, inc, mediaType: 'm', annotations, refs: [blobOf(digest)] },
    { type: 'tag.set', tag: `t${index}` as Tag, digest },
  ];
}

function blobOf(digest: Digest): Digest {
  return digest.replace('sha256:0', 'sha256:b') as Digest;
}

const MAX_REFUSALS = 20;

test('a full Redis refuses pushes and accepts deletes of tags, manifests, blobs and repositories', async () => {
  const server = await startRedis();
  const a = await world.node({}, server.url);
  node.now = a;
  const { projection } = a;
  const push = (digest: Digest, index: number, repo = REPO) =>
    projection.submit(repo, {
      needs: { manifests: [digest], blobs: [blobOf(digest)] },
      decide: () => accept(undefined, ...put(digest, index)),
    });
  await push(manyDigests(1)[0] as Digest, 0, OTHER);
  const used = Number(/used_memory:(\d+)/.exec(await server.cli('INFO', 'memory'))?.[1]);
  await server.cli('CONFIG', 'SET', 'maxmemory', String(used + ROOM_BYTES));
  /** Each with the number of its tag. */
  const pushed: (readonly [digest: Digest, index: number])[] = [];
  // Redis frees buffers of its own now and then, so a single refusal does not show that it stays full.
  const refusals: string[] = [];
  for (const [index, digest] of manyDigests(1_000).entries()) {
    const refusal = await refusalOf(push(digest, index));
    if (refusal === 'none') pushed.push([digest, index]);
    else refusals.push(refusal);
    if (refusals.length === MAX_REFUSALS) break;
  }
  expect(new Set(refusals)).toEqual(new Set(['unavailable']));
  expect(pushed.length).toBeWithin(50, 900);
  // No refused push is in the log.
  const { state } = await foldLog(world.driver, REPO);
  expect(state.manifests.size).toBe(pushed.length);
  expect(await tagsOf(projection)).toHaveLength(pushed.length);
  // As after a restart or a failover, views must be verified first. Deletes still succeed.
  for (const repo of [REPO, OTHER]) await server.cli('HSET', `{${world.store}:${repo}}:meta`, 'owner', 'another');
  const removals = (digest: Digest, index: number): JournalEvent[][] => [
    [{ type: 'tag.deleted', tag: `t${index}` as Tag, prev: digest }],
    [{ type: 'manifest.deleted', digest, inc: state.manifest(digest)?.inc ?? ('' as Incarnation) }],
    [{ type: 'blob.unlinked', digest: blobOf(digest), inc: state.blob(blobOf(digest))?.inc ?? ('' as Incarnation) }],
  ];
  const remove = (events: readonly JournalEvent[], digest: Digest, repo = REPO) =>
    projection.submit(repo, {
      needs: { manifests: [digest], blobs: [blobOf(digest)] },
      decide: () => accept(undefined, ...events),
    });
  const [[first] = expect.unreachable()] = pushed;
  for (const events of removals(first, 0)) await remove(events, first);
  expect(await tagsOf(projection)).not.toContain('t0');
  await remove([{ type: 'repo.deleted' }], first, OTHER);
  expect(await tagsOf(projection, OTHER)).toEqual(['unknown']);
  expect((await projection.repositories(undefined, 10)).items).toEqual([REPO]);
  for (const [position, [digest, index]] of pushed.entries()) {
    if (position % 2 === 1) await remove(removals(digest, index).flat(), digest);
  }
  expect(await refusalOf(push(manyDigests(1, 5_000)[0] as Digest, 5_000))).toBe('none');
  expect(await tagsOf(projection)).toContain('t5000');
  expect(await tagsOf(projection)).toHaveLength(pushed.length - 1 - Math.floor(pushed.length / 2) + 1);
}, 300_000);
