import { describe, expect, test } from 'bun:test';
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  isMediaType,
  isNonDistributable,
  listedType,
  OCI_ARTIFACT,
  OCI_INDEX,
  OCI_MANIFEST,
  shapeOf,
} from './media-types.ts';

describe('media types', () => {
  test('say where descriptors are', () => {
    expect([OCI_MANIFEST, DOCKER_MANIFEST].map(shapeOf)).toEqual(['image', 'image']);
    expect([OCI_INDEX, DOCKER_LIST].map(shapeOf)).toEqual(['index', 'index']);
    expect(shapeOf(OCI_ARTIFACT)).toBe('artifact');
    expect(['application/json', `${OCI_MANIFEST}x`, '', 'constructor'].map(shapeOf)).toEqual(Array(4).fill('other'));
  });

  test('are left out of lists if they are too long to be one', () => {
    const longest = `${'a'.repeat(127)}/${'b'.repeat(127)}`;
    expect([OCI_MANIFEST, '', longest, undefined].map(listedType)).toEqual([OCI_MANIFEST, '', longest, undefined]);
    expect(listedType(`${longest}b`)).toBeUndefined();
  });

  test.each([OCI_MANIFEST, DOCKER_LIST, 'a/b', 'application/vnd.x.y+json', `a/${'b'.repeat(127)}`, 'A/B'])(
    '%s is one',
    (text) => expect(isMediaType(text)).toBe(true),
  );

  test.each([
    '',
    'a',
    'a/',
    '/a',
    'a/b/c',
    'a/b;c=d',
    'a/b c',
    'a/b\r\nX: y',
    'a/b\n',
    'é/b',
    '+a/b',
    `a/${'b'.repeat(128)}`,
  ])('%j is none that could be sent in a header', (text) => expect(isMediaType(text)).toBe(false));

  test('of layers that a registry need not hold', () => {
    expect(isNonDistributable('application/vnd.oci.image.layer.nondistributable.v1.tar')).toBe(true);
    expect(isNonDistributable('application/vnd.oci.image.layer.nondistributable.v1.tar+zstd')).toBe(true);
    expect(isNonDistributable('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip')).toBe(true);
    expect(isNonDistributable('application/vnd.oci.image.layer.v1.tar+gzip')).toBe(false);
    expect(isNonDistributable('')).toBe(false);
  });
});
