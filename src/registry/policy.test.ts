import { describe, expect, test } from 'bun:test';
import {
  A,
  ACTOR,
  B,
  HOUR,
  type OpenRegistry,
  openRegistry,
  refusalOf,
  tag,
  text,
} from '../../test/support/registry.ts';
import { readSlot } from '../journal/log.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Digest } from '../oci/names.ts';
import { NO_POLICY } from './policy.ts';

/** In `A` tags that begin with v. */
const policy = { ...NO_POLICY, isImmutable: (repo: string, name: string) => repo === A && name.startsWith('v') };

const manifests = ['one', 'two'].map((name) =>
  text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations: { name } })),
);

async function put({ registry }: OpenRegistry, number: number, tags: readonly string[], repo = A): Promise<Digest> {
  const bytes = manifests[number] ?? text('');
  const pushed = { repo, bytes, contentType: OCI_INDEX, digest: undefined, tags: tags.map(tag) };
  return (await registry.manifests.put(pushed, ACTOR)).digest;
}

async function tagged({ registry }: OpenRegistry, name: string): Promise<string> {
  try {
    return (await registry.manifests.stat(A, { kind: 'tag', tag: tag(name) })).digest;
  } catch {
    return 'none';
  }
}

describe('an immutable tag', () => {
  test('is set once; the same digest again is fine, another one is refused and leaves nothing', async () => {
    const open = openRegistry({ policy });
    const first = await put(open, 0, ['v1']);
    expect(await put(open, 0, ['v1'])).toBe(first);
    const error: unknown = await put(open, 1, ['v1']).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'denied', detail: { tags: ['v1'] } });
    expect(String(error)).toContain(
      'the tag v1 is immutable in team/a and cannot be pushed again with another digest: push under a new tag',
    );
    await open.settle();
    expect([await tagged(open, 'v1'), (await open.dataKeys()).length]).toEqual([first, 1]);
    expect(await refusalOf(put(open, 1, ['v1'], B))).toBe('none');
    expect(await refusalOf(put(open, 1, ['v2']))).toBe('none');
  });

  test('takes a whole push down that would move it', async () => {
    const open = openRegistry({ policy });
    const first = await put(open, 0, ['v1', 'a']);
    const error: unknown = await put(open, 1, ['b', 'v1', 'a', 'v2']).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'denied', detail: { tags: ['v1'] } });
    expect(await Promise.all(['v1', 'a', 'b', 'v2'].map((name) => tagged(open, name)))).toEqual([
      ...[first, first],
      ...['none', 'none'],
    ]);
  });

  test('is deleted by no client, alone or with its manifest; others are', async () => {
    const open = openRegistry({ policy });
    const { manifests } = open.registry;
    const digest = await put(open, 0, ['v1', 'v2', 'a']);
    const refused: unknown = await manifests.deleteTag(A, tag('v1'), ACTOR).catch((reason: unknown) => reason);
    expect(refused).toMatchObject({ kind: 'denied', detail: { tags: ['v1'] } });
    const whole: unknown = await manifests.delete(A, digest, ACTOR).catch((reason: unknown) => reason);
    expect(whole).toMatchObject({ kind: 'denied', detail: { tags: ['v1', 'v2'] } });
    expect(await tagged(open, 'a')).toBe(digest);
    await manifests.deleteTag(A, tag('a'), ACTOR);
    expect([await tagged(open, 'a'), await tagged(open, 'v2')]).toEqual(['none', digest]);
    expect(await refusalOf(manifests.deleteTag(A, tag('v9'), ACTOR))).toBe('manifest-unknown');
  });

  test('is decided on at the slot: of two pushes at once one is refused', async () => {
    const open = openRegistry({ policy });
    const outcomes = await Promise.all([0, 1].map((number) => refusalOf(put(open, number, ['v1']))));
    expect(outcomes.sort()).toEqual(['denied', 'none']);
  });

  test('a manifest without a tag that would go soon is put anew when a client finds it there, or pushes it again', async () => {
    const open = openRegistry({
      policy: { ...NO_POLICY, untaggedStay: (repo) => (repo === A ? 10 * HOUR : undefined) },
    });
    const { manifests } = open.registry;
    const tagged = await put(open, 1, ['x']);
    const loose = await put(open, 0, []);
    await put(open, 0, [], B);
    const find = (digest: Digest, repo = A) => manifests.find(repo, { kind: 'digest', digest });
    const putAt = async (digest: Digest, repo = A) =>
      (await manifests.stat(repo, { kind: 'digest', digest })).record.at;
    const begun = open.clock.now();
    open.clock.advance(5 * HOUR);
    await find(loose);
    expect(await putAt(loose)).toBe(begun);
    open.clock.advance(1);
    for (const digest of [tagged, loose]) await find(digest);
    await find(loose, B);
    expect(await Promise.all([putAt(loose), putAt(tagged), putAt(loose, B)])).toEqual([open.clock.now(), begun, begun]);
    const { record } = await manifests.stat(A, { kind: 'digest', digest: loose });
    expect(record).toEqual({
      ...(await openRegistry({ driver: open.driver }).registry.manifests.stat(B, { kind: 'digest', digest: loose }))
        .record,
      inc: record.inc,
      at: record.at,
    });
    open.clock.advance(5 * HOUR + 1);
    await put(open, 0, []);
    expect([await putAt(loose), (await open.dataKeys()).length]).toEqual([open.clock.now(), 3]);
    expect(await refusalOf(Promise.try(() => find(`sha256:${'0'.repeat(64)}` as Digest)))).toBe('manifest-unknown');
  });

  test('when a tag was pushed last is told to the log only where it counts', async () => {
    const slots = async (counts: boolean): Promise<number> => {
      const open = openRegistry({ policy: { ...NO_POLICY, countsPushes: () => counts } });
      for (const tags of [['x'], ['x'], ['x', 'y'], []] satisfies string[][]) await put(open, 0, tags);
      let seq = 0;
      while ((await readSlot(open.driver, A, seq + 1)) !== undefined) seq++;
      return seq;
    };
    expect([await slots(false), await slots(true)]).toEqual([2, 3]);
  });
});
