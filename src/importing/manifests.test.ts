import { expect, test } from 'bun:test';
import { digestOf } from '../oci/digest.ts';
import { DOCKER_MANIFEST, OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts';
import { contradictionOf } from './manifests.ts';

const bytes = new TextEncoder().encode('{"schemaVersion":2,"manifests":[]}');
const digest = digestOf('sha256', bytes);

test.each(['text/html', OCI_ARTIFACT])('an index that our store has as %s is told, not passed over', (mediaType) => {
  expect(contradictionOf(mediaType, 'a', digest, bytes)).toEqual({
    ...{ problem: 'manifest-invalid', repo: 'a', digest },
    message: `it was pushed here as ${mediaType}, but is ${OCI_INDEX}: delete it here first`,
  });
});

test('what our store has as an image or index is that in the tree too', () => {
  for (const type of [OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST])
    expect(contradictionOf(type, 'a', digest, bytes)).toBeUndefined();
});

test('what says its own type, or is nothing that could be served, contradicts nothing', () => {
  const typed = new TextEncoder().encode('{"mediaType":"a/b"}');
  expect(contradictionOf('a/b', 'a', digest, typed)).toBeUndefined();
  expect(contradictionOf('a/b', 'a', digest, new TextEncoder().encode('{}'))).toBeUndefined();
});
