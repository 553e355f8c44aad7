import { describe, expect, test } from 'bun:test';
import { A, B, bodyOf, CALLER, GRACE, openRegistry, refusalOf, tag, text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Registry } from '../registry/interface.ts';
import { refusal, type WriteState } from '../registry/write-switch.ts';
import { ReadOnly } from './read-only.ts';

const bytes = text('a blob');
const digest = digestOf('sha256', bytes);
const manifest = text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));
const manifestDigest = digestOf('sha256', manifest);
const pushed = { bytes: manifest, contentType: OCI_INDEX, digest: undefined, tags: [tag('v1')] };
const all = { after: undefined, limit: undefined };

/** A registry with content and an open upload, wrapped by the rule. */
async function openRuled() {
  const open = openRegistry();
  const { registry } = open;
  await registry.pushBlob(A, digest, bodyOf([bytes]), CALLER);
  await registry.pushManifest(A, pushed, CALLER);
  const { id } = await registry.startUpload(A, 'sha256', CALLER);
  await registry.appendToUpload(A, id, bodyOf([text('one, ')]), undefined, CALLER);
  const writes = {
    state: 'writable' as WriteState,
    refusal,
    get refused() {
      return this.state === 'writable' ? undefined : refusal(this.state);
    },
  };
  return { open, id, writes, ruled: new ReadOnly(registry, writes) };
}

const WRITES: Readonly<Record<string, (registry: Registry) => Promise<unknown>>> = {
  pushBlob: (registry) => registry.pushBlob(A, digest, bodyOf([bytes]), CALLER),
  startUpload: (registry) => registry.startUpload(A, 'sha256', CALLER),
  mountBlob: (registry) => registry.mountBlob(B, digest, A, CALLER),
  pushManifest: (registry) => registry.pushManifest(A, pushed, CALLER),
  deleteTag: (registry) => registry.deleteTag(A, tag('v1'), undefined, CALLER),
  deleteManifest: (registry) => registry.deleteManifest(A, manifestDigest, CALLER),
  deleteBlob: (registry) => registry.deleteBlob(A, digest, CALLER),
};

describe('a registry that is read-only', () => {
  test.each([
    ['for good', 'read-only', 'read-only'],
    ['for now', 'paused', 'writes-paused'],
  ] as const)('%s refuses to write, and answers everything else', async (_, state, refused) => {
    const { open, id, writes, ruled } = await openRuled();
    open.clock.advance(GRACE);
    writes.state = state;
    const before = await open.dataKeys();
    for (const write of Object.values(WRITES)) expect(await refusalOf(write(ruled))).toBe(refused);
    for (const write of ['create', 'push', 'delete'] as const)
      expect(ruled.refusalOf(write, A, CALLER)?.kind).toBe(refused);
    expect(await open.dataKeys()).toEqual(before);
    expect((await ruled.getBlob(A, digest, CALLER)).size).toBe(bytes.length);
    // The link of a blob that has been unreferenced for this long would be renewed.
    const link = await open.projection.blob(A, digest);
    expect((await ruled.renewBlob(A, digest, CALLER)).size).toBe(bytes.length);
    expect(await open.projection.blob(A, digest)).toEqual(link);
    expect((await ruled.renewManifest(A, { kind: 'tag', tag: tag('v1') }, CALLER)).digest).toBe(manifestDigest);
    expect((await ruled.tags(A, all, CALLER)).items).toEqual([tag('v1')]);
    expect((await ruled.repositories(all, CALLER)).items).toEqual([A]);
    expect((await ruled.uploadStatus(A, id, CALLER)).offset).toBe(5);
  });

  test('for now lets an open upload continue and finish', async () => {
    const { id, writes, ruled } = await openRuled();
    writes.state = 'paused';
    const whole = text('one, two');
    await ruled.appendToUpload(A, id, bodyOf([text('two')]), undefined, CALLER);
    await ruled.closeUpload(A, id, digestOf('sha256', whole), bodyOf([]), undefined, CALLER);
    expect((await ruled.resolveBlob(A, digestOf('sha256', whole), CALLER)).size).toBe(whole.length);
  });

  test('permanently does not touch uploads that were open before it started', async () => {
    const { id, writes, ruled } = await openRuled();
    writes.state = 'read-only';
    expect(await refusalOf(ruled.appendToUpload(A, id, bodyOf([text('two')]), undefined, CALLER))).toBe('read-only');
    const whole = digestOf('sha256', text('one, '));
    expect(await refusalOf(ruled.closeUpload(A, id, whole, bodyOf([]), undefined, CALLER))).toBe('read-only');
    expect(await refusalOf(ruled.cancelUpload(A, id, CALLER))).toBe('read-only');
    expect((await ruled.uploadStatus(A, id, CALLER)).offset).toBe(5);
  });

  test('accepts writes again afterwards', async () => {
    const { writes, ruled } = await openRuled();
    writes.state = 'paused';
    writes.state = 'writable';
    for (const write of Object.values(WRITES)) expect(await refusalOf(write(ruled))).toBe('none');
  });
});
