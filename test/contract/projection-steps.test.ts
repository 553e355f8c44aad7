// A slot that is too much for one script is applied in steps: each is done once, and no reader sees a tag without its manifest.
import { describe, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { accept } from '../../src/journal/command.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../../src/oci/names.ts';
import { FEW } from '../support/generators.ts';
import { manyDigests, type OpenNode, redisWorld, tagsOf } from '../support/redis-projections.ts';
import { REPO } from '../support/slots.ts';
import { setTags } from '../support/writers.ts';

const [digest] = FEW.manifests as [Digest];
const world = redisWorld();

describe('work in steps', () => {
  const put = (refs: readonly Digest[]): JournalEvent => ({
    ...{ type: 'manifest.put', digest, size: 1, inc: ulid() as Incarnation, mediaType: 'm', refs: [...refs] },
  });
  const big = { events: [put(manyDigests(2_500)), { type: 'tag.set', tag: 'big' as Tag, digest } as const] };
  const submit = ({ projection }: OpenNode, events: readonly JournalEvent[]) =>
    projection.submit(REPO, { needs: { manifests: [digest] }, decide: () => accept(undefined, ...events) });
  const referencesOf = ({ projection }: OpenNode, ref: Digest) =>
    projection.submit(REPO, { needs: { references: [ref] }, decide: (facts) => accept(facts.references(ref)) });

  test('a manifest with thousands of references is put and deleted atomically', async () => {
    const a = await world.node();
    const count = async (work: Promise<unknown>) => {
      a.redis.ran.length = 0;
      await work;
      return a.redis.ran.filter((name) => name === 'apply').length;
    };
    await submit(a, [
      { type: 'blob.linked', digest: manyDigests(1)[0] as Digest, size: 1, inc: ulid() as Incarnation },
    ]);
    expect(await count(submit(a, big.events))).toBe(3);
    for (const ref of [manyDigests(1), manyDigests(1, 1200), manyDigests(1, 2499)].flat())
      expect(await referencesOf(a, ref)).toBe(1);
    expect(await referencesOf(a, manyDigests(1, 2500)[0] as Digest)).toBe(0);
    const before = await a.projection.manifestByTag(REPO, 'big' as Tag);
    expect(before.kind === 'known' ? before.value?.record.refs : []).toEqual(manyDigests(2_500));
    expect(await count(submit(a, [put(manyDigests(1_500, 2_000))]))).toBe(5);
    const [older, kept, newer] = [manyDigests(1), manyDigests(1, 2_200), manyDigests(1, 3_499)].flat() as [
      Digest,
      Digest,
      Digest,
    ];
    expect(await Promise.all([older, kept, newer].map((ref) => referencesOf(a, ref)))).toEqual([0, 1, 1]);
    await submit(a, [{ type: 'manifest.deleted', digest, inc: ulid() as Incarnation }]);
    expect(await Promise.all([older, kept, newer].map((ref) => referencesOf(a, ref)))).toEqual([0, 0, 0]);
  });

  test('interrupted in the middle is continued by another node; no tag is without its manifest', async () => {
    for (const lastStep of [1, 2, 3]) {
      const [a, b] = [await world.node(), await world.node()];
      const where = `r${lastStep}` as RepositoryName;
      const write = (events: readonly JournalEvent[], { projection }: OpenNode) =>
        projection.submit(where, { needs: { manifests: [digest] }, decide: () => accept(undefined, ...events) });
      await write([{ type: 'tag.set', tag: 'first' as Tag, digest }, put(manyDigests(1_200, 5_000))], a);
      let steps = 0;
      a.redis.before = (name) => {
        if (name === 'apply' && ++steps > lastStep) throw new Error('killed');
      };
      const killed = write([put(manyDigests(2_500)), { type: 'tag.set', tag: 'big' as Tag, digest }], a);
      expect(await killed.catch(String)).toBe('Error: killed');
      expect(steps).toBeGreaterThan(lastStep);
      const first = await b.projection.manifestByTag(where, 'first' as Tag);
      expect(first.kind === 'known' && first.value !== undefined).toBe(true);
      world.clockOffset += 10_000;
      expect(await tagsOf(b.projection, where)).toEqual(['big', 'first']);
      expect(b.observed.slice(-1)).toEqual(['caught up']);
      const references = (ref: Digest) =>
        b.projection.submit(where, { needs: { references: [ref] }, decide: (facts) => accept(facts.references(ref)) });
      const some = [manyDigests(1), manyDigests(1, 2_499), manyDigests(1, 5_000), manyDigests(1, 6_199)].flat();
      expect(await Promise.all(some.map(references))).toEqual([1, 1, 0, 0]);
    }
  });

  test('that two nodes do concurrently take effect once', async () => {
    const [a, b] = [await world.node(), await world.node()];
    const tags = Array.from({ length: 900 }, (_, index) => `t${String(index).padStart(4, '0')}`);
    await a.projection.submit(REPO, setTags('first'));
    const killedAt = (node: OpenNode, step: number, then: () => Promise<unknown>): void => {
      let steps = 0;
      node.redis.before = async (name) => {
        if (name === 'apply' && ++steps === step) await then();
      };
    };
    killedAt(a, 2, async () => {
      world.clockOffset += 10_000;
      killedAt(b, 2, () => Promise.reject(new Error('killed')));
      expect(await tagsOf(b.projection).catch(String)).toBe('Error: killed');
    });
    await a.projection.submit(REPO, setTags(tags[0] as string, ...tags.slice(1)));
    expect(await tagsOf(a.projection)).toEqual(['first', ...tags]);
  });

  test('a manifest with thousands of tags is deleted with all of them', async () => {
    const a = await world.node();
    const tags = Array.from({ length: 3_000 }, (_, index) => `t${String(index).padStart(5, '0')}`);
    await submit(a, [put([])]);
    await a.projection.submit(REPO, setTags(tags[0] as string, ...tags.slice(1)));
    await a.projection.submit(REPO, {
      needs: { tagsOf: [digest], manifests: [digest] },
      decide: (facts) =>
        accept(
          undefined,
          ...facts.tagsOf(digest).map((tag): JournalEvent => ({ type: 'tag.deleted', tag, prev: digest })),
          { type: 'manifest.deleted', digest, inc: ulid() as Incarnation },
        ),
    });
    expect(await tagsOf(a.projection)).toEqual([]);
    await world.server.cli('FLUSHALL');
    expect(await tagsOf(a.projection)).toEqual([]);
  });
});
