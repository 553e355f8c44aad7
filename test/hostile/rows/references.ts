import { DIGEST_INVALID, MANIFEST_INVALID, NAME_INVALID, type Row, refused } from '../row.ts';
import type { Site } from '../site.ts';
import { type Piece, request } from '../wire.ts';

const HEX = 'abcdef0123456789'.repeat(4);

const INVALID_DIGESTS: readonly (readonly [what: string, digest: string])[] = [
  ['one digit short', `sha256:${HEX.slice(1)}`],
  ['one digit long', `sha256:${HEX}a`],
  ['upper-case digits', `sha256:${HEX.toUpperCase()}`],
  ['letters that are not digits', `sha256:${'g'.repeat(64)}`],
  ['no digits', 'sha256:'],
  ['no algorithm', `:${HEX}`],
  ['only digits', HEX],
  ['another algorithm', 'md5:d41d8cd98f00b204e9800998ecf8427e'],
  ['an algorithm of the right length', `sha224:${HEX}`],
  ['a made-up algorithm', `sha256+b64u:${HEX}`],
  ['the algorithm in upper case', `SHA256:${HEX}`],
  ['the property `constructor` as an algorithm', `constructor:${HEX}`],
  ['the length of another algorithm', `sha512:${HEX}`],
  ['the digits of the longer algorithm', `sha256:${HEX}${HEX}`],
  ['two algorithms', `sha256:sha256:${HEX}`],
  ['a NUL after it', `sha256:${HEX}%00`],
  ['a line break after it', `sha256:${HEX}%0a`],
  ['a space before it', `%20sha256:${HEX}`],
  ['a full-width colon', `sha256%EF%BC%9A${HEX}`],
  ['a semicolon', `sha256;${HEX}`],
];

/** Invalid tags that are not digests either. */
const INVALID_TAGS: readonly (readonly [what: string, tag: string])[] = [
  ['129 characters', 't'.repeat(129)],
  ['a dot first', '.hidden'],
  ['a hyphen first', '-rf'],
  ['a space', 'a%20b'],
  ['an at sign', 'a@b'],
  ['a plus', 'a+b'],
  ['a tilde', 'a~1'],
  ['an accent', 'caf%C3%A9'],
  ['raw bytes of UTF-8', 'caf\u00c3\u00a9'],
  ['an emoji', '%F0%9F%90%B3'],
  ['a NUL', 'a%00'],
  ['a line break', 'a%0d%0ab'],
  ['a percent sign encoded twice', 'a%2541'],
  ['a comma', 'a,b'],
];

const TYPE = { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' };

function putManifest(target: (site: Site) => string): (site: Site) => Piece[] {
  return (site) =>
    request('PUT', `/v2/${site.repo}/manifests/${target(site)}`, { headers: TYPE, body: site.image.bytes });
}

export const referenceRows: readonly Row[] = [
  ...INVALID_DIGESTS.map(
    ([what, digest]): Row => ({
      name: `digest: ${what}`,
      pieces: ({ repo }) => request('GET', `/v2/${repo}/blobs/${digest}`),
      expected: DIGEST_INVALID,
    }),
  ),
  ...INVALID_TAGS.map(
    ([what, tag]): Row => ({
      name: `tag: ${what}`,
      pieces: putManifest(() => tag),
      expected: MANIFEST_INVALID,
    }),
  ),
  ...(['GET', 'DELETE'] as const).map(
    (method): Row => ({
      name: `tag: 129 characters, ${method}`,
      pieces: ({ repo }) => request(method, `/v2/${repo}/manifests/${'t'.repeat(129)}`),
      expected: MANIFEST_INVALID,
    }),
  ),
  {
    name: 'tag: a percent sign alone',
    pieces: putManifest(() => '%'),
    expected: NAME_INVALID,
  },
  {
    name: 'tag: an encoded slash',
    pieces: putManifest(() => 'a%2fb'),
    expected: NAME_INVALID,
  },
  {
    name: 'reference: a tag with a colon, which can only be a digest',
    pieces: putManifest(() => 'latest:1'),
    expected: DIGEST_INVALID,
  },
  {
    name: 'reference: the digest of another manifest',
    pieces: putManifest(() => `sha256:${HEX}`),
    expected: DIGEST_INVALID,
  },
  {
    name: 'reference: a digest with a missing digit',
    pieces: putManifest(({ image }) => image.descriptor.digest.slice(0, -1)),
    expected: DIGEST_INVALID,
  },
  ...(
    [
      ['invalid', '-x'],
      ['empty', ''],
      ['of 129 characters', 't'.repeat(129)],
      ['with slashes', '..%2f..%2fx'],
      ['with a NUL', 'a%00'],
      ['with a line break, for a header', 'a%0d%0aX-Injected:%20b'],
      ['among valid ones', 'good&tag=.bad&tag=fine'],
    ] as const
  ).map(
    ([what, tag]): Row => ({
      name: `tag parameter: ${what}`,
      pieces: putManifest(({ image }) => `${image.descriptor.digest}?tag=${tag}`),
      expected: MANIFEST_INVALID,
    }),
  ),
  {
    name: 'tag parameter: 257 of them',
    pieces: putManifest(
      ({ image }) => `${image.descriptor.digest}?${Array.from({ length: 257 }, (_, i) => `tag=t${i}`).join('&')}`,
    ),
    expected: refused(414, 'UNSUPPORTED'),
  },
  ...(
    [
      ['missing', ''],
      ['empty', '?digest='],
      ['short', `?digest=sha256:${HEX.slice(1)}`],
      ['in upper case', `?digest=sha256:${HEX.toUpperCase()}`],
      ['of another algorithm', '?digest=md5:d41d8cd98f00b204e9800998ecf8427e'],
      ['with another spelling', `?Digest=sha256:${HEX}`],
      ['of other bytes', `?digest=sha256:${HEX}`],
      ['of other bytes, in the other algorithm', `?digest=sha512:${HEX}${HEX}`],
      [
        'the right one only in second place',
        `?digest=sha256:${HEX}&digest=sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824`,
      ],
    ] as const
  ).map(
    ([what, query]): Row => ({
      name: `digest that closes an upload: ${what}`,
      pieces: ({ upload }) => request('PUT', upload + query, { body: '' }),
      expected: DIGEST_INVALID,
      upload: {},
    }),
  ),
  {
    name: 'digest that closes an upload: of other bytes, with a last chunk, which is discarded',
    pieces: ({ upload }) => request('PUT', `${upload}?digest=sha256:${HEX}`, { body: 'x'.repeat(600_000) }),
    expected: DIGEST_INVALID,
    upload: {},
  },
  ...(
    [
      ['empty', 'digest='],
      ['malformed', 'digest=sha256:x'],
      ['of other bytes', `digest=sha256:${HEX}`],
    ] as const
  ).map(
    ([what, query]): Row => ({
      name: `digest of a blob in one request: ${what}`,
      pieces: ({ repo }) => request('POST', `/v2/${repo}/blobs/uploads/?${query}`, { body: 'bytes' }),
      expected: DIGEST_INVALID,
    }),
  ),
  {
    name: 'digest of a blob in one request: of other bytes, with a large body',
    pieces: ({ repo }) =>
      request('POST', `/v2/${repo}/blobs/uploads/?digest=sha256:${HEX}`, { body: 'x'.repeat(600_000) }),
    expected: DIGEST_INVALID,
  },
  ...['md5', '', 'SHA256', 'sha256,sha512', '../sha256', '%00', 'constructor'].map(
    (algorithm): Row => ({
      name: `digest-algorithm: ${algorithm || 'empty'}`,
      pieces: ({ repo }) => request('POST', `/v2/${repo}/blobs/uploads/?digest-algorithm=${algorithm}`),
      expected: DIGEST_INVALID,
    }),
  ),
  ...['latest', 'sha256:', `sha256:${HEX.toUpperCase()}`, '%00'].map(
    (digest): Row => ({
      name: `referrers of ${digest.slice(0, 10)}`,
      pieces: ({ repo }) => request('GET', `/v2/${repo}/referrers/${digest}`),
      expected: DIGEST_INVALID,
    }),
  ),
  ...(
    [
      ['malformed', () => 'mount=sha256:x', DIGEST_INVALID],
      ['empty', () => 'mount=', DIGEST_INVALID],
      ['of another algorithm', () => 'mount=md5:d41d8cd98f00b204e9800998ecf8427e', DIGEST_INVALID],
      ['malformed, from a valid name', ({ other }: Site) => `mount=..%2f..&from=${other}`, DIGEST_INVALID],
    ] as const
  ).map(
    ([what, query, expected]): Row => ({
      name: `mount: ${what}`,
      pieces: (site) => request('POST', `/v2/${site.repo}/blobs/uploads/?${query(site)}`),
      expected,
    }),
  ),
  ...['UPPER', '-a', 'a//b', '%00', 'a%2f..%2fb', 'a%0d%0ab', 'caf%C3%A9', 'a'.repeat(256)].map(
    (from): Row => ({
      name: `mount: from the invalid name ${from.slice(0, 12)}`,
      pieces: ({ repo, otherBlob }) =>
        request('POST', `/v2/${repo}/blobs/uploads/?mount=${otherBlob.descriptor.digest}&from=${from}`),
      expected: NAME_INVALID,
    }),
  ),
  ...[
    '-1',
    '1.5',
    '1e3',
    '0x10',
    'NaN',
    'Infinity',
    'ten',
    '',
    '%00',
    '+5',
    '9'.repeat(16),
    '9'.repeat(400),
    '1,2',
    '%D9%A1',
  ].flatMap((n): Row[] => [
    {
      name: `n of tags: ${n.slice(0, 20) || 'empty'}`,
      pieces: ({ repo }) => request('GET', `/v2/${repo}/tags/list?n=${n}`),
      expected: refused(400, 'UNSUPPORTED'),
    },
  ]),
  ...['-1', 'NaN', '9'.repeat(400)].map(
    (n): Row => ({
      name: `n of the catalog: ${n.slice(0, 20)}`,
      pieces: () => request('GET', `/v2/_catalog?n=${n}`),
      expected: refused(400, 'UNSUPPORTED'),
    }),
  ),
  {
    name: 'unknown: a repository',
    pieces: () => request('GET', '/v2/no/such/tags/list'),
    expected: refused(404, 'NAME_UNKNOWN'),
  },
  {
    name: 'unknown: DELETE of an absent tag',
    pieces: ({ repo }) => request('DELETE', `/v2/${repo}/manifests/nothing`),
    expected: refused(404, 'MANIFEST_UNKNOWN'),
  },
  {
    name: 'unknown: DELETE of a manifest in an absent repository',
    pieces: ({ image }) => request('DELETE', `/v2/no/such/manifests/${image.descriptor.digest}`),
    expected: refused(404, 'NAME_UNKNOWN'),
  },
  {
    name: 'unknown: a blob of another repository',
    pieces: ({ repo, otherBlob }) => request('GET', `/v2/${repo}/blobs/${otherBlob.descriptor.digest}`),
    expected: refused(404, 'BLOB_UNKNOWN'),
  },
  {
    name: 'unknown: a manifest requested as a blob',
    pieces: ({ repo, image }) => request('GET', `/v2/${repo}/blobs/${image.descriptor.digest}`),
    expected: refused(404, 'BLOB_UNKNOWN'),
  },
  {
    name: 'unknown: a blob requested as a manifest',
    pieces: ({ repo, blob }) => request('GET', `/v2/${repo}/manifests/${blob.descriptor.digest}`),
    expected: refused(404, 'MANIFEST_UNKNOWN'),
  },
  {
    name: 'referenced: DELETE of a blob that a manifest refers to',
    pieces: ({ repo, blob }) => request('DELETE', `/v2/${repo}/blobs/${blob.descriptor.digest}`),
    expected: refused(405, 'UNSUPPORTED'),
  },
];
