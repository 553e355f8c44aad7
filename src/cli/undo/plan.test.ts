import { describe, expect, test } from 'bun:test';
import { A, ACTOR, type OpenRegistry, openRegistry, tag, text } from '../../../test/support/registry.ts';
import type { JournalEvent } from '../../journal/events.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Digest, Tag } from '../../oci/names.ts';
import { deleteRepository } from '../../registry/deletion.ts';
import { dataKey } from '../../storage/paths.ts';
import { parseWhen } from '../restore.ts';
import type { When } from './past.ts';
import { planRestore } from './plan.ts';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const V1 = tag('v1');

interface Pushed {
  readonly manifest: Digest;
  readonly blob: Digest;
  readonly size: number;
}

/** An image of one blob. Each name gives a different image. */
async function pushImage({ registry, push }: OpenRegistry, name: string, ...tags: Tag[]): Promise<Pushed> {
  const layer = text(name);
  const blob = await push(A, layer);
  const config = { mediaType: 'application/octet-stream', digest: blob, size: layer.length };
  const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, config, layers: [] }));
  const { digest } = await registry.manifests.put(A, { bytes, contentType: IMAGE, digest: undefined, tags }, ACTOR);
  return { manifest: digest, blob, size: bytes.length };
}

async function pushIndex({ registry }: OpenRegistry, children: readonly Pushed[], ...tags: Tag[]): Promise<Pushed> {
  const manifests = children.map(({ manifest, size }) => ({ mediaType: IMAGE, digest: manifest, size }));
  const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
  const { digest } = await registry.manifests.put(A, { bytes, contentType: INDEX, digest: undefined, tags }, ACTOR);
  return { manifest: digest, blob: digest, size: bytes.length };
}

/** The events of several commands in one slot, as after a group commit. */
function append({ projection }: OpenRegistry, ...events: JournalEvent[]): Promise<void> {
  return projection.submit(A, { decide: () => ({ kind: 'accepted', result: undefined, events }) });
}

async function plan(open: OpenRegistry, what: Tag | Digest, when?: When) {
  const thing = what.includes(':')
    ? ({ kind: 'digest', digest: what as Digest } as const)
    : ({ kind: 'tag', tag: what as Tag } as const);
  const planned = await planRestore(open.driver, A, thing, when);
  if (planned.kind !== 'plan') return planned;
  const { moment, restoration, leftOut, kept } = planned;
  return {
    ...{ seq: moment.seq, side: moment.side, digest: moment.digest, leftOut, kept, tags: restoration.tags },
    blobs: restoration.blobs.map(({ digest }) => digest).sort(),
    manifests: restoration.manifests.map(({ digest }) => digest).sort(),
  };
}

const seq = (open: OpenRegistry): Promise<number> => open.projection.newest(A).then((newest) => newest.seq);

describe('without a time', () => {
  test('restores a tag to its value before its last delete: alone, with its manifest, or with its repository', async () => {
    for (const remove of [
      (open: OpenRegistry) => open.registry.manifests.deleteTag(A, V1, undefined, ACTOR),
      (open: OpenRegistry, { manifest }: Pushed) => open.registry.manifests.delete(A, manifest, ACTOR),
      (open: OpenRegistry) => deleteRepository(A, 'operator', open),
    ]) {
      const open = openRegistry();
      await pushImage(open, 'old', V1);
      const pushed = await pushImage(open, 'new', V1);
      await remove(open, pushed);
      const deletedAt = await seq(open);
      await pushImage(open, 'later');
      expect(await plan(open, V1)).toEqual({
        ...{ seq: deletedAt, side: 'before', digest: pushed.manifest, leftOut: [], kept: [] },
        tags: [{ tag: V1, digest: pushed.manifest }],
        blobs: [pushed.blob],
        manifests: [pushed.manifest],
      });
    }
  });

  test('uses the current value of a tag that exists', async () => {
    const open = openRegistry();
    await pushImage(open, 'old', V1);
    await open.registry.manifests.deleteTag(A, V1, undefined, ACTOR);
    const pushed = await pushImage(open, 'new', V1);
    const tags = [{ tag: V1, digest: pushed.manifest, seen: pushed.manifest }];
    expect(await plan(open, V1)).toMatchObject({ digest: pushed.manifest, side: 'after', tags });
  });

  test('restores a manifest with the tags deleted with it, except those that point elsewhere now', async () => {
    const open = openRegistry();
    const tags = ['a', 'b', 'c'].map(tag);
    const pushed = await pushImage(open, 'image', ...tags);
    await open.registry.manifests.deleteTag(A, tag('c'), undefined, ACTOR);
    await open.registry.manifests.delete(A, pushed.manifest, ACTOR);
    await pushImage(open, 'other', tag('b'));
    expect(await plan(open, pushed.manifest)).toMatchObject({
      digest: pushed.manifest,
      tags: [{ tag: tag('a'), digest: pushed.manifest }],
      kept: [tag('b')],
    });
  });

  test('reads a slot event by event: it may set and delete the same tag', async () => {
    const open = openRegistry();
    const [one, other] = [await pushImage(open, 'one'), await pushImage(open, 'other')];
    await append(
      open,
      { type: 'tag.set', tag: V1, digest: one.manifest },
      { type: 'tag.deleted', tag: V1, prev: one.manifest },
      { type: 'tag.set', tag: V1, digest: other.manifest, prev: one.manifest },
      { type: 'repo.deleted' },
    );
    expect(await plan(open, V1)).toMatchObject({ digest: other.manifest, side: 'before', manifests: [other.manifest] });
  });

  test('has no plan for a thing that never existed', async () => {
    const open = openRegistry();
    expect(await plan(open, V1)).toEqual({ kind: 'no-repository' });
    const pushed = await pushImage(open, 'image', tag('v2'));
    expect(await plan(open, V1)).toEqual({ kind: 'not-there' });
    expect(await plan(open, pushed.blob)).toEqual({ kind: 'not-there' });
  });
});

describe('of a slot or a time', () => {
  test('restores the value of a tag at that moment, and records its current value', async () => {
    const open = openRegistry();
    const start = open.clock.now();
    const one = await pushImage(open, 'one', V1);
    const set = await seq(open);
    open.clock.advance(5_000);
    await open.registry.manifests.delete(A, one.manifest, ACTOR);
    open.clock.advance(5_000);
    const two = await pushImage(open, 'two', V1);
    const expected = {
      digest: one.manifest,
      seq: set,
      side: 'after',
      tags: [{ tag: V1, digest: one.manifest, seen: two.manifest }],
    };
    expect(await plan(open, V1, { kind: 'slot', seq: set })).toMatchObject(expected);
    expect(await plan(open, V1, { kind: 'time', until: start + 4_999 })).toMatchObject(expected);
    expect(await plan(open, V1, { kind: 'slot', seq: set + 1 })).toEqual({ kind: 'not-there' });
    expect(await plan(open, V1, { kind: 'time', until: start + 5_000 })).toEqual({ kind: 'not-there' });
    expect(await plan(open, V1, { kind: 'time', until: start - 1 })).toEqual({ kind: 'not-there' });
    const last = await seq(open);
    expect(await plan(open, V1, { kind: 'slot', seq: last })).toMatchObject({ digest: two.manifest });
    expect(await plan(open, V1, { kind: 'time', until: start + 1e9 })).toMatchObject({ digest: two.manifest });
    expect(await plan(open, V1, { kind: 'slot', seq: last + 1 })).toEqual({ kind: 'no-slot', last });
  });

  test('accepts bytes that were pushed again since', async () => {
    const open = openRegistry();
    const { manifest } = await pushImage(open, 'one', V1);
    const then = await seq(open);
    const old = (await open.registry.manifests.resolve(A, { kind: 'tag', tag: V1 })).record.inc;
    await open.registry.manifests.delete(A, manifest, ACTOR);
    await open.driver.delete([dataKey(old)]);
    await pushImage(open, 'one');
    const now = (await open.registry.manifests.resolve(A, { kind: 'digest', digest: manifest })).record.inc;
    const planned = await planRestore(open.driver, A, { kind: 'tag', tag: V1 }, { kind: 'slot', seq: then });
    if (planned.kind !== 'plan') return expect.unreachable();
    expect(planned.restoration.manifests[0]?.incs).toEqual([old, now]);
  });
});

describe('an index', () => {
  async function deletedIndex() {
    const open = openRegistry();
    const children = [await pushImage(open, 'one'), await pushImage(open, 'two')] as const;
    const [one, two] = children;
    const inner = await pushIndex(open, children);
    const outer = await pushIndex(
      open,
      [inner, { manifest: digestOf('sha256', text('never pushed')), blob: one.blob, size: 1 }],
      V1,
    );
    const inc = (await open.registry.manifests.resolve(A, { kind: 'digest', digest: one.manifest })).record.inc;
    return { ...open, one, two, inner, outer, inc };
  }

  test('is restored with everything it refers to, at any depth, whether deleted before or after it', async () => {
    const open = await deletedIndex();
    const { one, two, inner, outer, registry } = open;
    for (const each of [one, inner, outer, two]) await registry.manifests.delete(A, each.manifest, ACTOR);
    for (const each of [one, two]) await registry.blobs.delete(A, each.blob, ACTOR);
    expect(await plan(open, V1)).toMatchObject({
      blobs: [one.blob, two.blob].sort(),
      manifests: [one, two, inner, outer].map(({ manifest }) => manifest).sort(),
      leftOut: [],
    });
  });

  test('leaves out manifests that were deleted before it and freed', async () => {
    const open = await deletedIndex();
    const { one, two, inner, outer, registry } = open;
    await registry.manifests.delete(A, one.manifest, ACTOR);
    await open.driver.delete([dataKey(open.inc)]);
    for (const each of [outer, inner]) await registry.manifests.delete(A, each.manifest, ACTOR);
    expect(await plan(open, V1)).toMatchObject({
      blobs: [two.blob],
      manifests: [two, inner, outer].map(({ manifest }) => manifest).sort(),
      leftOut: [one.manifest],
    });
  });

  test('that exists gets back the manifests that were deleted from it', async () => {
    const open = await deletedIndex();
    await open.registry.manifests.delete(A, open.one.manifest, ACTOR);
    const planned = await plan(open, V1);
    expect(planned).toMatchObject({ side: 'after', leftOut: [] });
    expect('manifests' in planned && planned.manifests).toContain(open.one.manifest);
  });
});

test('a time is in UTC unless it has a zone, and a time to the second means the end of that second', () => {
  const until = (text: string) => {
    const when = parseWhen(text);
    return when?.kind === 'time' ? new Date(when.until).toISOString() : when;
  };
  expect(until('12')).toEqual({ kind: 'slot', seq: 12 });
  expect(until('2026-01-31')).toBe('2026-01-31T00:00:00.000Z');
  expect(until('2026-01-31T08:15')).toBe('2026-01-31T08:15:00.000Z');
  expect(until('2026-01-31 08:15:30Z')).toBe('2026-01-31T08:15:30.999Z');
  expect(until('2026-01-31T08:15:30.25+02:00')).toBe('2026-01-31T06:15:30.250Z');
  for (const wrong of ['0', '-1', 'now', '2026-01', '2026-13-01', '2026-01-31T25:00', '31.1.2026', ''])
    expect(until(wrong)).toBeUndefined();
});
