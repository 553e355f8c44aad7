import { expect, test } from 'bun:test';
import { A, bodyOf, CALLER, openRegistry, refusalOf, tag, text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Registry } from '../registry/interface.ts';
import { DeletesDisabled } from './deletes-disabled.ts';

test('if deleting is disabled clients can delete nothing, whether or not it exists, but can cancel an upload', async () => {
  const open = openRegistry();
  const registry: Registry = new DeletesDisabled(open.registry);
  const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));
  const pushed = { bytes, contentType: OCI_INDEX, digest: undefined, tags: [tag('v1')] };
  const { digest } = await registry.pushManifest(A, pushed, CALLER);
  const blob = await open.push(A, text('a blob'));
  const never = digestOf('sha256', text('never pushed'));
  for (const each of [blob, never])
    expect(await refusalOf(registry.deleteBlob(A, each, CALLER))).toBe('delete-disabled');
  for (const each of [digest, never])
    expect(await refusalOf(registry.deleteManifest(A, each, CALLER))).toBe('delete-disabled');
  for (const each of ['v1', 'v2'])
    expect(await refusalOf(registry.deleteTag(A, tag(each), undefined, CALLER))).toBe('delete-disabled');
  expect((await registry.resolveManifest(A, { kind: 'tag', tag: tag('v1') }, CALLER)).digest).toBe(digest);
  expect((await registry.resolveBlob(A, blob, CALLER)).size).toBe(6);

  const foretold = (['create', 'push', 'delete'] as const).map((write) => registry.refusalOf(write, A, CALLER)?.kind);
  expect(foretold).toEqual([undefined, undefined, 'delete-disabled']);

  const { id } = await registry.startUpload(A, 'sha256', CALLER);
  await registry.appendToUpload(A, id, bodyOf([text('x')]), undefined, CALLER);
  await registry.cancelUpload(A, id, CALLER);
  expect(await refusalOf(registry.uploadStatus(A, id, CALLER))).toBe('upload-unknown');
});
