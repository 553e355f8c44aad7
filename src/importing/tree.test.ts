import { expect, test } from 'bun:test';
import { parseDigest } from '../oci/digest.ts';
import { blobKey, entryOf } from './tree.ts';

const HEX = 'ab'.repeat(32);

test('links of blobs, manifests and tags count, whatever the name of their repository', () => {
  for (const repo of ['app', 'a/b/c', 'library/_layers', 'UPPER']) {
    const key = (rest: string): string => `root/repositories/${repo}/${rest}/link`;
    const at = (rest: string) => entryOf(key(rest), 'root/repositories/');
    const digest = `sha256:${HEX}`;
    const layer = key(`_layers/sha256/${HEX}`);
    expect(at(`_layers/sha256/${HEX}`)).toMatchObject({ kind: 'layer', digest, key: layer });
    expect(at(`_manifests/revisions/sha256/${HEX}`)).toMatchObject({ kind: 'manifest', digest, repo });
    expect(at('_manifests/tags/v1.0/current')).toMatchObject({ kind: 'tag', tag: 'v1.0', repo });
  }
});

test('nothing else does', () => {
  for (const rest of [
    `_manifests/tags/v1/index/sha256/${HEX}/link`,
    `_manifests/revisions/sha256/${HEX}/signatures/sha256/${HEX}/link`,
    '_manifests/tags/v1/current/other',
    `_layers/sha256/${HEX}`,
    '_uploads/0b7a/data',
    '_uploads/0b7a/hashstates/sha256/0',
    'link',
  ]) {
    expect([rest, entryOf(`repositories/team/app/${rest}`, 'repositories/')]).toEqual([rest, undefined]);
  }
});

test('bytes lie below the first two digits of their digest', () => {
  const digest = parseDigest(`sha256:${HEX}`);
  if (digest === undefined) return expect.unreachable();
  expect(blobKey('docker/registry/v2/', digest)).toBe(`docker/registry/v2/blobs/sha256/ab/${HEX}/data`);
});
