import { expect, test } from 'bun:test';
import { parseDigest } from '../../oci/digest.ts';
import { type Digest, parseTag, type Tag } from '../../oci/names.ts';
import type { RepositoryContents } from '../../past/interface.ts';
import { badgesOf, tagsOf } from './past-tags.ts';

const IMAGE = digest('a');
const OTHER = digest('b');
/** By name, in no order. */
const TIMES: Readonly<Record<string, number>> = {
  '1.10.0': 1,
  '1.9.0': 4,
  main: 3,
  'v1.9.0-rc1': 2,
  [`${IMAGE.replace(':', '-')}.sig`]: 9,
  [`${digest('c').replace(':', '-')}.sig`]: 0,
};

function digest(letter: string): Digest {
  const found = parseDigest(`sha256:${letter.repeat(64)}`);
  if (found === undefined) throw new Error('an example is not valid');
  return found;
}

function tag(text: string): Tag {
  const found = parseTag(text);
  if (found === undefined) throw new Error('an example is not valid');
  return found;
}

const contents: RepositoryContents = {
  ...{ seq: 9, time: undefined, counts: { tags: 6, manifests: 2, blobs: 0 }, bytes: 0, tagsOf: () => [] },
  tag: (name) => (TIMES[name] === undefined ? undefined : OTHER),
  pushed: (each) => (each === IMAGE || each === OTHER ? 0 : undefined),
  tags: () => Object.entries(TIMES).map(([name, set]) => ({ tag: tag(name), digest: OTHER, set })),
  referrers: (each) => (each === IMAGE ? [{ mediaType: 'x', artifactType: 'application/spdx+json' }] : []),
};
const page = (sort: 'time' | 'name' | 'semver', q = '', after = 0) =>
  tagsOf(contents, { sort, q, after, limit: 3 }).tags.map(({ tag: name }) => name.slice(0, 10));

test('tags of the past are ordered as those of today', () => {
  expect<string[]>(page('time')).toEqual(['1.9.0', 'main', 'v1.9.0-rc1']);
  expect<string[]>(page('name')).toEqual(['1.10.0', '1.9.0', 'main']);
  expect<string[]>(page('semver')).toEqual(['1.10.0', '1.9.0', 'v1.9.0-rc1']);
});

test('they come in pages and by a part of their name, without those that only attach something', () => {
  expect<string[]>(page('time', '', 3)).toEqual(['1.10.0', 'sha256-ccc']);
  expect<string[]>(page('name', 'RC')).toEqual(['v1.9.0-rc1']);
  const { count, folded, newest } = tagsOf(contents, { sort: 'name', q: '1.', after: 0, limit: 1 });
  expect([count, folded, newest?.tag as string | undefined]).toEqual([3, 1, '1.9.0']);
});

test('badges say what was attached, by referrers and by tags', () => {
  expect(badgesOf(IMAGE, contents)).toEqual({ signed: true, sbom: true, attested: false });
  expect(badgesOf(OTHER, contents)).toEqual({ signed: false, sbom: false, attested: false });
});
