import { describe, expect, test } from 'bun:test';
import { A, B, CALLER, openRegistry, refusalOf, tag, text } from '../../test/support/registry.ts';
import { RegistryError } from '../oci/errors.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Digest } from '../oci/names.ts';
import type { Registry, TagCondition } from '../registry/interface.ts';
import { ImmutableTags } from './immutable-tags.ts';

const manifests = ['one', 'two'].map((name) =>
  text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations: { name } })),
);

/** In `A` tags that begin with v are immutable. */
function openRuled() {
  const open = openRegistry();
  const policy = { isImmutable: (repo: string, name: string) => repo === A && name.startsWith('v') };
  return { ...open, registry: new ImmutableTags(open.registry, policy) };
}

async function put(registry: Registry, number: number, tags: readonly string[], repo = A): Promise<Digest> {
  const pushed = {
    bytes: manifests[number] ?? text(''),
    contentType: OCI_INDEX,
    digest: undefined,
    tags: tags.map(tag),
  };
  return (await registry.pushManifest(repo, pushed, CALLER)).digest;
}

async function tagged(registry: Registry, name: string): Promise<string> {
  try {
    return (await registry.resolveManifest(A, { kind: 'tag', tag: tag(name) }, CALLER)).digest;
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'manifest-unknown') return 'none';
    throw error;
  }
}

describe('an immutable tag', () => {
  test('is set once: the same digest again is accepted, another one is refused and leaves nothing', async () => {
    const { registry, settle, dataKeys } = openRuled();
    const first = await put(registry, 0, ['v1']);
    expect(await put(registry, 0, ['v1'])).toBe(first);
    const error: unknown = await put(registry, 1, ['v1']).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'denied', detail: { tags: ['v1'] } });
    expect(String(error)).toContain(
      'the tag v1 is immutable in team/a and cannot be pushed again with another digest: push under a new tag',
    );
    await settle();
    expect([await tagged(registry, 'v1'), (await dataKeys()).length]).toEqual([first, 1]);
    expect(await refusalOf(put(registry, 1, ['v1'], B))).toBe('none');
    expect(await refusalOf(put(registry, 1, ['v2']))).toBe('none');
  });

  test('refuses a whole push that would move it', async () => {
    const { registry } = openRuled();
    const first = await put(registry, 0, ['v1', 'a']);
    const error: unknown = await put(registry, 1, ['b', 'v1', 'a', 'v2']).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'denied', detail: { tags: ['v1'] } });
    expect(await Promise.all(['v1', 'a', 'b', 'v2'].map((name) => tagged(registry, name)))).toEqual([
      ...[first, first],
      ...['none', 'none'],
    ]);
  });

  test('cannot be deleted by clients, alone or with its manifest, but other tags can', async () => {
    const { registry } = openRuled();
    const digest = await put(registry, 0, ['v1', 'v2', 'a']);
    const refused: unknown = await registry
      .deleteTag(A, tag('v1'), undefined, CALLER)
      .catch((reason: unknown) => reason);
    expect(refused).toMatchObject({ kind: 'denied', detail: { tags: ['v1'] } });
    expect(String(refused)).toContain('the tag v1 is immutable in team/a and cannot be deleted');
    const whole: unknown = await registry.deleteManifest(A, digest, CALLER).catch((reason: unknown) => reason);
    expect(whole).toMatchObject({ kind: 'denied', detail: { tags: ['v1', 'v2'] } });
    expect(await tagged(registry, 'a')).toBe(digest);
    await registry.deleteTag(A, tag('a'), undefined, CALLER);
    expect([await tagged(registry, 'a'), await tagged(registry, 'v2')]).toEqual(['none', digest]);
    expect(await refusalOf(registry.deleteTag(A, tag('v9'), undefined, CALLER))).toBe('manifest-unknown');
  });

  test('stays immutable also for a writer who knows what it is', async () => {
    const { registry } = openRuled();
    const first = await put(registry, 0, ['v1']);
    const condition: TagCondition = { kind: 'is', digests: [first] };
    const moved = { bytes: manifests[1] ?? text(''), contentType: OCI_INDEX, digest: undefined, tags: [tag('v1')] };
    expect(await refusalOf(registry.pushManifest(A, { ...moved, condition }, CALLER))).toBe('denied');
    expect(await refusalOf(registry.deleteTag(A, tag('v1'), condition, CALLER))).toBe('denied');
    const absent: TagCondition = { kind: 'absent' };
    expect(await refusalOf(registry.pushManifest(A, { ...moved, condition: absent }, CALLER))).toBe(
      'precondition-failed',
    );
  });

  test('is checked in the decision, so one of two concurrent pushes is refused', async () => {
    const { registry } = openRuled();
    const outcomes = await Promise.all([0, 1].map((number) => refusalOf(put(registry, number, ['v1']))));
    expect(outcomes.sort()).toEqual(['denied', 'none']);
  });
});
