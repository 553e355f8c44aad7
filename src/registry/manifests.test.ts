import { describe, expect, test } from 'bun:test';
import {
  A,
  ACTOR,
  B,
  CALLER,
  type OpenRegistry,
  openRegistry,
  refusalOf,
  tag,
  text,
} from '../../test/support/registry.ts';
import { accept } from '../journal/command.ts';
import { digestOf } from '../oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts';
import type { Digest, Tag } from '../oci/names.ts';
import { dataKey } from '../storage/paths.ts';
import type { PushedManifest, Reference, TagCondition } from './interface.ts';

const CONFIG = 'application/vnd.oci.image.config.v1+json';

/** An image manifest whose config is this blob. */
function imageOf(config: Digest, more: object = {}): Uint8Array<ArrayBuffer> {
  const descriptor = { mediaType: CONFIG, digest: config, size: 1 };
  return text(JSON.stringify({ schemaVersion: 2, config: descriptor, layers: [], ...more }));
}

const index = text(JSON.stringify({ schemaVersion: 2, manifests: [] }));
const indexDigest = digestOf('sha256', index);
const byDigest = (digest: Digest): Reference => ({ kind: 'digest', digest });
const byTag = (name: string): Reference => ({ kind: 'tag', tag: tag(name) });

function put({ registry }: OpenRegistry, bytes: Uint8Array<ArrayBuffer>, more: Partial<PushedManifest> = {}) {
  const pushed = { bytes, contentType: undefined, digest: undefined, tags: [], ...more };
  return registry.manifests.put(A, pushed, ACTOR);
}

async function bytesOf({ registry }: OpenRegistry, reference: Reference, repo = A): Promise<Uint8Array> {
  return await registry.manifests.bytes(await registry.manifests.resolve(repo, reference), CALLER);
}

async function tagsOf({ registry }: OpenRegistry): Promise<readonly Tag[]> {
  return (await registry.listings.tags(A, { after: undefined, limit: 1000 })).items;
}

describe('pushing a manifest', () => {
  test('stores its exact bytes under its digest and its tags', async () => {
    const open = openRegistry();
    const odd = text('{ "manifests":[ ],\n "schemaVersion": 2.0 }\n');
    const { digest } = await put(open, odd, { contentType: OCI_INDEX, tags: [tag('a'), tag('b')] });
    expect(digest).toBe(digestOf('sha256', odd));
    for (const reference of [byDigest(digest), byTag('a'), byTag('b')])
      expect(await bytesOf(open, reference)).toEqual(odd);
    // Not only from the cache: another process on the same store serves them too.
    const other = openRegistry({ driver: open.driver });
    expect(await bytesOf(other, byTag('b'))).toEqual(odd);
    expect((await other.registry.manifests.resolve(A, byTag('b'))).record.mediaType).toBe(OCI_INDEX);
  });

  test.each(['sha256', 'sha512'] as const)('by a %s digest is verified with it', async (algorithm) => {
    const open = openRegistry();
    const digest = digestOf(algorithm, index);
    expect((await put(open, index, { digest })).digest).toBe(digest);
    expect(await bytesOf(open, byDigest(digest))).toEqual(index);
    const wrong = digestOf(algorithm, text('other'));
    expect(await refusalOf(put(open, index, { digest: wrong }))).toBe('digest-mismatch');
    expect(await refusalOf(Promise.try(() => open.registry.manifests.resolve(A, byDigest(wrong))))).toBe(
      'manifest-unknown',
    );
  });

  test('requires the blobs that it refers to, and reports missing ones', async () => {
    const open = openRegistry();
    const config = digestOf('sha256', text('config'));
    await open.push(B, text('config'));
    const error: unknown = await put(open, imageOf(config), { tags: [tag('a')] }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'manifest-references-unknown', detail: { digests: [config] } });
    expect(await refusalOf(Promise.try(() => open.registry.manifests.resolve(A, byTag('a'))))).toBe('name-unknown');
    await open.push(A, text('config'));
    expect(await refusalOf(put(open, imageOf(config), { tags: [tag('a')] }))).toBe('none');
  });

  test('a refused push leaves nothing visible to readers', async () => {
    const open = openRegistry();
    expect(await refusalOf(put(open, text('{}')))).toBe('manifest-invalid');
    expect(await refusalOf(put(open, index, { contentType: 'application/x; y' }))).toBe('manifest-invalid');
    const absent = imageOf(digestOf('sha256', text('absent')));
    expect(await refusalOf(put(open, absent))).toBe('manifest-references-unknown');
    expect((await open.projection.repositories(undefined, 10)).items).toEqual([]);
    expect(await open.dataKeys()).toEqual([]);
  });

  test('if its blob is deleted while its bytes are stored, the bytes are deleted', async () => {
    const open = openRegistry();
    const config = await open.push(A, text('config'));
    const before = await open.dataKeys();
    const write = open.driver.write.bind(open.driver);
    open.driver.write = async (...args) => {
      const written = await write(...args);
      await open.registry.blobs.delete(A, config, ACTOR);
      return written;
    };
    expect(await refusalOf(put(open, imageOf(config)))).toBe('manifest-references-unknown');
    expect(await open.settle()).toHaveLength(1);
    expect(await open.dataKeys()).toEqual(before);
  });

  test('a second time adds its tags, but no second copy and no second event', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a')] });
    const before = (await open.projection.resident(A)).state.seq;
    await put(open, index, { tags: [tag('a')] });
    expect((await open.projection.resident(A)).state.seq).toBe(before);
    await put(open, index, { tags: [tag('b')] });
    expect(await tagsOf(open)).toEqual([tag('a'), tag('b')]);
    expect(await open.dataKeys()).toHaveLength(1);
  });

  test('many times concurrently ends with one copy and all tags, and every client succeeds', async () => {
    const open = openRegistry();
    const names = Array.from({ length: 30 }, (_, each) => `t${String(each).padStart(2, '0')}`);
    await Promise.all(names.map((name) => put(open, index, { tags: [tag(name)] })));
    expect(await tagsOf(open)).toEqual(names.map(tag));
    await open.settle();
    const { record } = await open.registry.manifests.resolve(A, byDigest(indexDigest));
    expect(await open.dataKeys()).toEqual([dataKey(record.inc)]);
    expect(await bytesOf(openRegistry({ driver: open.driver }), byTag('t00'))).toEqual(index);
  });

  test('with another media type is refused in that repository, even if the bytes are missing', async () => {
    const open = openRegistry();
    const config = await open.push(A, text('config'));
    const image = imageOf(config);
    const { digest } = await put(open, image, { contentType: OCI_MANIFEST, tags: [tag('a')] });
    const before = await open.registry.manifests.resolve(A, byTag('a'));
    const keys = await open.dataKeys();
    const asPage = { contentType: 'text/html', tags: [tag('a'), tag('b')] };
    expect(await refusalOf(put(open, image, asPage))).toBe('manifest-invalid');
    await open.driver.delete([dataKey(before.record.inc)]);
    expect(await refusalOf(put(open, image, asPage))).toBe('manifest-invalid');
    await open.settle();
    expect(await open.registry.manifests.resolve(A, byTag('a'))).toEqual(before);
    expect(await tagsOf(open)).toEqual([tag('a')]);
    expect(before.record.refs).toEqual([config]);
    expect(await open.dataKeys()).toEqual(keys.filter((key) => key !== dataKey(before.record.inc)));
    // Another repository may have another media type, and so may this one after a delete.
    await open.registry.manifests.put(B, { bytes: image, digest: undefined, ...asPage }, ACTOR);
    await open.registry.manifests.delete(A, digest, ACTOR);
    await put(open, image, asPage);
    expect((await open.registry.manifests.resolve(A, byTag('b'))).record).toMatchObject({
      ...{ mediaType: 'text/html', refs: [] },
    });
  });

  test('with many media types concurrently succeeds for one of them, and the others are refused', async () => {
    for (let round = 0; round < 10; round++) {
      const open = openRegistry();
      const types = Array.from({ length: 8 }, (_, each) => `application/x.type${each}+json`);
      const outcomes = await Promise.all(types.map((contentType) => refusalOf(put(open, index, { contentType }))));
      expect(outcomes.filter((each) => each === 'none')).toHaveLength(1);
      expect(outcomes.filter((each) => each === 'manifest-invalid')).toHaveLength(types.length - 1);
      const { record } = await open.registry.manifests.resolve(A, byDigest(indexDigest));
      expect(record.mediaType).toBe(types[outcomes.indexOf('none')] ?? 'none of them');
      await open.settle();
      expect(await open.dataKeys()).toEqual([dataKey(record.inc)]);
    }
  });

  test('whose type changed in the log of an older Marina has the type in that log', async () => {
    const open = openRegistry();
    await put(open, index, { contentType: OCI_INDEX, tags: [tag('a')] });
    const { record } = await open.registry.manifests.resolve(A, byTag('a'));
    const { at: _, annotations: __, refs, ...rest } = record;
    await open.projection.submit(A, {
      decide: () =>
        accept(undefined, {
          ...{ type: 'manifest.put', digest: indexDigest, ...rest, refs: [...refs], mediaType: 'text/html' },
        }),
    });
    const other = openRegistry({ driver: open.driver });
    expect((await other.registry.manifests.resolve(A, byTag('a'))).record.mediaType).toBe('text/html');
    expect(await refusalOf(put(other, index, { contentType: OCI_INDEX }))).toBe('manifest-invalid');
    expect(await refusalOf(put(other, index, { contentType: 'text/html', tags: [tag('b')] }))).toBe('none');
  });

  test('stores the bytes again if they are missing or truncated', async () => {
    for (const damage of ['lost', 'cut']) {
      const open = openRegistry();
      await put(open, index, { tags: [tag('a')] });
      const { record } = await open.registry.manifests.resolve(A, byTag('a'));
      if (damage === 'lost') await open.driver.delete([dataKey(record.inc)]);
      else await open.driver.put(dataKey(record.inc), text('cut'));
      const other = openRegistry({ driver: open.driver, number: 2 });
      expect(await refusalOf(bytesOf(other, byTag('a')))).toBe('content-damaged');
      await put(other, index);
      expect(await bytesOf(openRegistry({ driver: open.driver }), byTag('a'))).toEqual(index);
    }
  });

  test('that is deleted just before it is linked again is stored again', async () => {
    const open = openRegistry();
    await put(open, index);
    const head = open.driver.head.bind(open.driver);
    // The delete happens after the push has found the bytes and before it decides.
    open.driver.head = async (key) => {
      open.driver.head = head;
      const found = await head(key);
      await open.registry.manifests.delete(A, indexDigest, ACTOR);
      return found;
    };
    await put(open, index, { tags: [tag('a')] });
    expect(await tagsOf(open)).toEqual([tag('a')]);
    expect(await bytesOf(openRegistry({ driver: open.driver }), byTag('a'))).toEqual(index);
    expect(await open.dataKeys()).toHaveLength(2);
  });

  test('while one of its blobs is deleted: one of the two is refused', async () => {
    for (let round = 0; round < 10; round++) {
      const open = openRegistry();
      const config = await open.push(A, text('config'));
      const pushing = refusalOf(put(open, imageOf(config)));
      for (let tick = 0; tick < round * 5; tick++) await Promise.resolve();
      const deleting = refusalOf(open.registry.blobs.delete(A, config, ACTOR));
      expect([
        ['none', 'blob-referenced'],
        ['manifest-references-unknown', 'none'],
      ]).toContainEqual([await pushing, await deleting]);
    }
  });

  test("returns its subject, and is among the subject's referrers", async () => {
    const open = openRegistry();
    const subject = { mediaType: OCI_MANIFEST, digest: indexDigest, size: 1 };
    const { digest, subject: returned } = await put(
      open,
      text(JSON.stringify({ schemaVersion: 2, manifests: [], subject })),
      {
        contentType: OCI_INDEX,
      },
    );
    expect(returned).toBe(indexDigest);
    const query = { artifactType: undefined, after: undefined, fits: () => true };
    const { items } = await open.registry.listings.referrers(A, indexDigest, query, CALLER);
    expect(items.map((each) => each.digest)).toEqual([digest]);
  });
});

describe('a layer that need not be in the registry', () => {
  const layer = text('elsewhere');
  const foreign = {
    ...{ mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', size: layer.length },
    ...{ digest: digestOf('sha256', layer), urls: ['https://elsewhere.example/layer'] },
  };
  const told = [`a non-distributable layer is not in this registry: ${foreign.digest}`];

  test('causes a warning while it is absent, on push, pull and HEAD, in every process', async () => {
    const open = openRegistry();
    const config = await open.push(A, text('config'));
    const image = imageOf(config, { layers: [foreign] });
    const { digest, warnings } = await put(open, image, { contentType: OCI_MANIFEST, tags: [tag('a')] });
    expect(warnings).toEqual(told);
    expect((await open.registry.getManifest(A, byTag('a'), CALLER)).warnings).toEqual(told);
    expect((await open.registry.resolveManifest(A, byDigest(digest))).warnings).toEqual(told);
    expect((await open.registry.renewManifest(A, byTag('a'))).warnings).toEqual(told);
    const other = openRegistry({ driver: open.driver });
    // Its bytes are not cached, and are not read for a warning.
    expect(await other.registry.resolveManifest(A, byTag('a'))).not.toHaveProperty('warnings');
    expect((await other.registry.getManifest(A, byTag('a'), CALLER)).warnings).toEqual(told);
    await open.push(A, layer);
    expect((await open.registry.getManifest(A, byTag('a'), CALLER)).warnings).toBeUndefined();
    expect(await open.registry.resolveManifest(A, byTag('a'))).not.toHaveProperty('warnings');
  });

  test('is not a manifest of an index, and ordinary images cause no warning', async () => {
    const open = openRegistry();
    const config = await open.push(A, text('config'));
    const sparse = { mediaType: OCI_MANIFEST, digest: indexDigest, size: 1, urls: ['https://elsewhere.example/a'] };
    const index = text(JSON.stringify({ schemaVersion: 2, manifests: [sparse] }));
    expect((await put(open, index, { contentType: OCI_INDEX })).warnings).toBeUndefined();
    expect((await put(open, imageOf(config), { tags: [tag('a')] })).warnings).toBeUndefined();
    expect((await open.registry.getManifest(A, byTag('a'), CALLER)).warnings).toBeUndefined();
  });
});

describe('tags', () => {
  test('that move leave the manifest readable by its digest', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a')] });
    const other = text(JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { a: 'b' } }));
    await put(open, other, { tags: [tag('a')] });
    expect(await bytesOf(open, byTag('a'))).toEqual(other);
    expect(await bytesOf(open, byDigest(indexDigest))).toEqual(index);
  });

  test('are deleted individually: other tags and the manifest stay', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a'), tag('b')] });
    await open.registry.manifests.deleteTag(A, tag('a'), undefined, ACTOR);
    expect(await tagsOf(open)).toEqual([tag('b')]);
    expect(await bytesOf(open, byDigest(indexDigest))).toEqual(index);
    expect(await refusalOf(open.registry.manifests.deleteTag(A, tag('a'), undefined, ACTOR))).toBe('manifest-unknown');
  });

  test('appear together with their manifest, in one slot of the log', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a'), tag('b')] });
    const slot = await open.driver.read(`repos/${A}/_log/00000000000000000001`);
    const { events }: { events: { type: string }[] } = JSON.parse(new TextDecoder().decode(slot));
    expect(events.map(({ type }) => type)).toEqual(['manifest.put', 'tag.set', 'tag.set']);
  });
});

describe('a condition on a tag', () => {
  const other = text(JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { a: 'b' } }));
  const otherDigest = digestOf('sha256', other);
  const is = (...digests: readonly Digest[]): TagCondition => ({ kind: 'is', digests });
  const failureOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'none',
      (reason: unknown) => reason,
    );

  test('that holds lets the push set the tag', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a')], condition: { kind: 'absent' } });
    await put(open, other, { tags: [tag('a')], condition: is(otherDigest, indexDigest) });
    await put(open, index, { tags: [tag('a')], condition: { kind: 'exists' } });
    expect(await bytesOf(open, byTag('a'))).toEqual(index);
  });

  test('that does not hold refuses the push, says what the tag is, and leaves no bytes', async () => {
    const open = openRegistry();
    const absent = { kind: 'precondition-failed', detail: { tag: tag('a'), digest: null } };
    expect(await failureOf(put(open, other, { tags: [tag('a')], condition: is(otherDigest) }))).toMatchObject(absent);
    expect(await failureOf(put(open, other, { tags: [tag('a')], condition: { kind: 'exists' } }))).toMatchObject(
      absent,
    );
    await put(open, index, { tags: [tag('a')] });
    const moved = { kind: 'precondition-failed', detail: { tag: tag('a'), digest: indexDigest } };
    for (const condition of [is(otherDigest), is(), { kind: 'absent' } as const]) {
      expect(await failureOf(put(open, other, { tags: [tag('a')], condition }))).toMatchObject(moved);
    }
    await open.settle();
    expect(await bytesOf(open, byTag('a'))).toEqual(index);
    expect(await open.dataKeys()).toHaveLength(1);
    expect(await refusalOf(Promise.try(() => open.registry.manifests.resolve(A, byDigest(otherDigest))))).toBe(
      'manifest-unknown',
    );
  });

  test('is checked for a manifest that is already stored, and for each tag of a push by digest', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a')] });
    await put(open, other, { tags: [tag('b')] });
    const push = (condition: TagCondition) => put(open, other, { tags: [tag('b'), tag('a')], condition });
    expect(await failureOf(push(is(otherDigest)))).toMatchObject({ detail: { tag: tag('a'), digest: indexDigest } });
    expect(await refusalOf(push(is(otherDigest, indexDigest)))).toBe('none');
    expect(await tagsOf(open)).toEqual([tag('a'), tag('b')]);
  });

  test('guards a delete of the tag', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a')] });
    const remove = (condition: TagCondition) => open.registry.manifests.deleteTag(A, tag('a'), condition, ACTOR);
    expect(await failureOf(remove(is(otherDigest)))).toMatchObject({
      kind: 'precondition-failed',
      detail: { tag: tag('a'), digest: indexDigest },
    });
    expect(await refusalOf(remove(is(indexDigest)))).toBe('none');
    // A tag that does not exist is unknown, as without a condition.
    expect(await refusalOf(remove(is(indexDigest)))).toBe('manifest-unknown');
  });

  test('lets exactly one of many concurrent writers through, also over several nodes', async () => {
    const nodes = [openRegistry({ probe: true, number: 1 })];
    const [{ driver }] = nodes as [OpenRegistry];
    for (const number of [2, 3]) nodes.push(openRegistry({ driver, probe: true, number }));
    const variant = (round: number, each: number) =>
      text(JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { round: `${round}`, each: `${each}` } }));
    let condition: TagCondition = { kind: 'absent' };
    for (let round = 0; round < 5; round++) {
      const pushes = Array.from({ length: 12 }, (_, each) =>
        refusalOf(put(nodes[each % 3] ?? expect.unreachable(), variant(round, each), { tags: [tag('a')], condition })),
      );
      const outcomes = await Promise.all(pushes);
      expect(outcomes.filter((each) => each === 'none')).toHaveLength(1);
      expect(outcomes.filter((each) => each === 'precondition-failed')).toHaveLength(11);
      condition = is(digestOf('sha256', variant(round, outcomes.indexOf('none'))));
      expect(await bytesOf(nodes[round % 3] ?? expect.unreachable(), byTag('a'))).toEqual(
        variant(round, outcomes.indexOf('none')),
      );
    }
  });
});

describe('deleting a manifest', () => {
  test('deletes all its tags, no others, and keeps its blobs', async () => {
    const open = openRegistry();
    const config = await open.push(A, text('config'));
    const { digest } = await put(open, imageOf(config), { tags: [tag('a'), tag('b')] });
    await put(open, index, { tags: [tag('c')] });
    await open.registry.manifests.delete(A, digest, ACTOR);
    expect(await tagsOf(open)).toEqual([tag('c')]);
    for (const reference of [byDigest(digest), byTag('a')]) {
      expect(await refusalOf(Promise.try(() => open.registry.manifests.resolve(A, reference)))).toBe(
        'manifest-unknown',
      );
    }
    expect(await open.linkOf(A, config)).toBeDefined();
    expect(await refusalOf(open.registry.manifests.delete(A, digest, ACTOR))).toBe('manifest-unknown');
  });

  test('and pushing it again restores it without its tags', async () => {
    const open = openRegistry();
    await put(open, index, { tags: [tag('a')] });
    await open.registry.manifests.delete(A, indexDigest, ACTOR);
    await put(open, index);
    expect(await bytesOf(openRegistry({ driver: open.driver }), byDigest(indexDigest))).toEqual(index);
    expect(await tagsOf(open)).toEqual([]);
  });

  test('in a repository that does not exist is `name-unknown`', async () => {
    const open = openRegistry();
    const { manifests } = open.registry;
    const all: (() => unknown)[] = [
      () => manifests.delete(A, indexDigest, ACTOR),
      () => manifests.deleteTag(A, tag('a'), undefined, ACTOR),
      () => manifests.resolve(A, byTag('a')),
      () => manifests.resolve(A, byDigest(indexDigest)),
    ];
    for (const each of all) expect(await refusalOf(Promise.try(each))).toBe('name-unknown');
  });
});
