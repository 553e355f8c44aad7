import { describe, expect, test } from 'bun:test';
import { parseDigest } from '../oci/digest.ts';
import { layoutFiles, placeOf, requireLayout, rootsOf } from './layout.ts';

const REF = 'org.opencontainers.image.ref.name';
const NAME = 'io.containerd.image.name';
const digest = parseDigest(`sha256:${'ab'.repeat(32)}`);
if (digest === undefined) throw new Error('not a digest');
const manifest = { mediaType: 'application/vnd.oci.image.manifest.v1+json', artifactType: undefined, digest, size: 7 };

function bytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
}

describe('where a manifest belongs', () => {
  test.each([
    [{}, undefined, undefined],
    // skopeo and oras: a tag, or whatever text was given.
    [{ [REF]: 'v1' }, undefined, 'v1'],
    [{ [REF]: 'team/app:v1' }, 'team/app', 'v1'],
    [{ [REF]: 'localhost:5000/team/app:v1' }, 'team/app', 'v1'],
    [{ [REF]: 'registry.example/team/app:v1' }, 'team/app', 'v1'],
    [{ [REF]: 'not a name' }, 'not a name', undefined],
    // docker save and containerd.
    [{ [REF]: 'latest', [NAME]: 'docker.io/library/alpine:latest' }, 'library/alpine', 'latest'],
    [{ [NAME]: `localhost/app@sha256:${'0'.repeat(64)}` }, 'app', undefined],
    [{ [NAME]: 'localhost:5000/app' }, 'app', undefined],
    // Our own: a repository may have a name that looks like a host.
    [{ [REF]: 'v1', 'marina.repository': 'a.b/app' }, 'a.b/app', 'v1'],
    [{ [REF]: 'a.b/app:v1', 'marina.repository': 'a.b/app' }, 'a.b/app', 'v1'],
    [{ 'marina.repository': 'team/app' }, 'team/app', undefined],
  ])('%j', (annotations, repository, tag) => {
    expect(placeOf(annotations)).toEqual({ repository, tag });
  });
});

test('what is written of one repository is read again, and names its tags as skopeo and oras expect', () => {
  const files = layoutFiles([
    { ...manifest, repository: 'team/app', tag: 'v1' },
    { ...manifest, artifactType: 'application/x', repository: 'team/app', tag: undefined },
  ]);
  requireLayout(files.get('oci-layout') ?? bytes(''));
  const index = files.get('index.json') ?? bytes('');
  expect(rootsOf(index)).toMatchObject([
    { digest, size: 7, repository: 'team/app', tag: 'v1' },
    { digest, size: 7, repository: 'team/app', tag: undefined },
  ]);
  expect(JSON.parse(new TextDecoder().decode(index)).manifests[0].annotations).toEqual({
    [REF]: 'v1',
    [NAME]: 'team/app:v1',
    'marina.repository': 'team/app',
  });
});

test('with several repositories the names of tags stay apart', () => {
  const files = layoutFiles(['a', 'b'].map((repository) => ({ ...manifest, repository, tag: 'v1' })));
  const index = files.get('index.json') ?? bytes('');
  expect(rootsOf(index)).toMatchObject([
    { repository: 'a', tag: 'v1' },
    { repository: 'b', tag: 'v1' },
  ]);
  const names = JSON.parse(new TextDecoder().decode(index)).manifests.map(
    (each: { annotations: Record<string, string> }) => each.annotations[REF],
  );
  expect(names).toEqual(['a:v1', 'b:v1']);
});

test.each([
  ['not JSON', 'its index.json is no index of manifests'],
  [{}, 'its index.json is no index of manifests: manifests'],
  [{ manifests: [{ mediaType: 'a/b', digest: 'sha256:x', size: 1 }] }, ': manifests.0.digest'],
  [{ manifests: [{ mediaType: 'a/b', digest, size: -1 }] }, ': manifests.0.size'],
  [{ manifests: [{ mediaType: 'no type', digest, size: 1 }] }, ': manifests.0.mediaType'],
  [{ manifests: [{ mediaType: 'a/b', digest, size: 1, annotations: { a: 1 } }] }, ': manifests.0.annotations.a'],
])('an index.json like %j is refused', (index, message) => {
  expect(() => rootsOf(bytes(index))).toThrow(message);
});

test('a layout of another version is refused', () => {
  expect(() => requireLayout(bytes({ imageLayoutVersion: '2.0.0' }))).toThrow('"2.0.0"');
  expect(() => requireLayout(bytes({}))).toThrow('does not say the version');
});
