import { expect, test } from 'bun:test';
import { A, ACTOR, bodyOf, openRegistry, refusalOf, tag, text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';

test('where deleting is disabled clients delete nothing, whether it is there or not; an upload can be cancelled', async () => {
  const open = openRegistry({ deletes: false });
  const { registry } = open;
  const bytes = text(
    JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] }),
  );
  const contentType = 'application/vnd.oci.image.index.v1+json';
  const { digest } = await registry.manifests.put(
    { repo: A, bytes, contentType, digest: undefined, tags: [tag('v1')] },
    ACTOR,
  );
  const blob = await open.push(A, text('a blob'));
  const never = digestOf('sha256', text('never pushed'));
  for (const each of [blob, never])
    expect(await refusalOf(registry.blobs.delete(A, each, ACTOR))).toBe('delete-disabled');
  for (const each of [digest, never])
    expect(await refusalOf(registry.manifests.delete(A, each, ACTOR))).toBe('delete-disabled');
  for (const each of ['v1', 'v2'])
    expect(await refusalOf(registry.manifests.deleteTag(A, tag(each), ACTOR))).toBe('delete-disabled');
  expect((await registry.manifests.stat(A, { kind: 'tag', tag: tag('v1') })).digest).toBe(digest);
  expect((await registry.blobs.stat(A, blob)).size).toBe(6);

  const pusher = { repo: A, actor: ACTOR };
  const { id } = await registry.uploads.start(pusher, 'sha256');
  await registry.uploads.append(id, pusher, bodyOf([text('x')]), undefined);
  await registry.uploads.cancel(id, pusher);
  expect(await refusalOf(registry.uploads.status(id, pusher))).toBe('upload-unknown');
});
