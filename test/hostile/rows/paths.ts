import {
  DIGEST_INVALID,
  type Expected,
  MANIFEST_INVALID,
  NAME_INVALID,
  NOTHING_HERE,
  type Row,
  refused,
  UPLOAD_UNKNOWN,
} from '../row.ts';
import type { Site } from '../site.ts';
import { request } from '../wire.ts';

const UP = '../../../../../../../../etc/passwd';
const DIGEST = `sha256:${'ab'.repeat(32)}`;

/*
 * Bun resolves `..`, `%2e%2e` and backslashes as browsers do, before the registry sees the URL. URLs that then leave /v2/ are
 * unknown.
 */
const GETS: readonly (readonly [what: string, target: (site: Site) => string, expected: Expected])[] = [
  ['dots as a name', () => `/v2/${UP}`, NOTHING_HERE],
  ['dots as a name, with an ending', () => '/v2/../../etc/tags/list', NOTHING_HERE],
  ['encoded dots as a name', () => '/v2/%2e%2e/%2e%2e/etc/passwd', NOTHING_HERE],
  ['encoded dots in upper case', () => '/v2/%2E%2E/%2E%2E/etc/passwd', NOTHING_HERE],
  ['half-encoded dots', () => '/v2/.%2e/%2e./etc/passwd', NOTHING_HERE],
  ['encoded dots and slashes', () => '/v2/%2e%2e%2f%2e%2e%2fetc/tags/list', NAME_INVALID],
  ['dots encoded twice', () => '/v2/%252e%252e/%252e%252e/tags/list', NAME_INVALID],
  ['backslashes', () => '/v2/..\\..\\..\\etc\\passwd', NOTHING_HERE],
  ['encoded backslashes', () => '/v2/..%5c..%5cetc/tags/list', NAME_INVALID],
  ['an absolute path as a name', () => '/v2//etc/passwd/tags/list', NAME_INVALID],
  ['a drive letter', () => '/v2/c:/windows/tags/list', NAME_INVALID],
  ['a NUL before the ending', () => '/v2/%00/../../etc/passwd%00/tags/list', NOTHING_HERE],
  ['dots and a NUL', () => '/v2/..%00/tags/list', NAME_INVALID],
  ['a NUL between dots', () => '/v2/a/.%00./tags/list', NAME_INVALID],
  ['overlong dots', () => '/v2/%c0%ae%c0%ae/tags/list', NAME_INVALID],
  ['full-width dots', () => '/v2/%EF%BC%8E%EF%BC%8E/tags/list', NAME_INVALID],
  ['dots as a tag', ({ repo }) => `/v2/${repo}/manifests/..`, NOTHING_HERE],
  ['a path as a tag', ({ repo }) => `/v2/${repo}/manifests/${UP}`, NOTHING_HERE],
  ['an encoded path as a tag', ({ repo }) => `/v2/${repo}/manifests/..%2f..%2fetc%2fpasswd`, NAME_INVALID],
  ['encoded backslashes as a tag', ({ repo }) => `/v2/${repo}/manifests/..%5c..%5cformat`, NAME_INVALID],
  ['a path as a digest', ({ repo }) => `/v2/${repo}/blobs/sha256:${UP}`, NOTHING_HERE],
  ['an encoded path as a digest', ({ repo }) => `/v2/${repo}/blobs/sha256:..%2f..%2fformat`, NAME_INVALID],
  ['encoded backslashes as a digest', ({ repo }) => `/v2/${repo}/blobs/sha256:..%5c..%5cformat`, NAME_INVALID],
  ['a path after a digest', ({ repo }) => `/v2/${repo}/blobs/${DIGEST}/../../../../format`, NOTHING_HERE],
  ['a path as an upload', ({ repo }) => `/v2/${repo}/blobs/uploads/${UP}`, NOTHING_HERE],
  ['an encoded path as an upload', ({ repo }) => `/v2/${repo}/blobs/uploads/..%2f..%2fformat`, NAME_INVALID],
  ['backslashes as an upload', ({ repo }) => `/v2/${repo}/blobs/uploads/..%5c..%5cformat`, NAME_INVALID],
  ['a NUL as an upload', ({ repo }) => `/v2/${repo}/blobs/uploads/%00`, UPLOAD_UNKNOWN],
  ['a path as a subject', ({ repo }) => `/v2/${repo}/referrers/sha256:..%5c..%5cformat`, NAME_INVALID],
  [
    'an encoded letter, to hide the name from a proxy',
    ({ repo, tag }) => `/v2/%68${repo.slice(1)}/manifests/${tag}`,
    NAME_INVALID,
  ],
  ['an encoded dot in a tag', ({ repo }) => `/v2/${repo}/manifests/v1%2e2`, NAME_INVALID],
  ['a folder of the store', () => '/repos/hostile/target/_log/00000000000000000001', NOTHING_HERE],
  ['the lock of the store', () => '/v2/../lock', NOTHING_HERE],
  ['a source file', () => '/src/main.ts', NOTHING_HERE],
  ['a hidden file', () => '/.git/config', NOTHING_HERE],
];

const QUERIES: readonly (readonly [what: string, method: string, query: string, expected: Expected])[] = [
  ['from', 'POST', `mount=${DIGEST}&from=../../etc`, NAME_INVALID],
  ['an encoded from', 'POST', `mount=${DIGEST}&from=..%2f..%2fetc`, NAME_INVALID],
  ['an absolute from', 'POST', `mount=${DIGEST}&from=/etc/passwd`, NAME_INVALID],
  ['a from with backslashes', 'POST', `mount=${DIGEST}&from=..%5c..%5cetc`, NAME_INVALID],
  ['a from with a NUL', 'POST', `mount=${DIGEST}&from=a%00../b`, NAME_INVALID],
  ['mount', 'POST', 'mount=../../../format&from=hostile/other', DIGEST_INVALID],
  ['mount after an algorithm', 'POST', 'mount=sha256:../../../format', DIGEST_INVALID],
  ['digest', 'POST', 'digest=sha256:../../../format', DIGEST_INVALID],
  ['digest-algorithm', 'POST', 'digest-algorithm=../../tmp', DIGEST_INVALID],
];

/** Without a Host header Bun does not normalize the URL. */
const UNRESOLVED: readonly (readonly [what: string, target: (site: Site) => string])[] = [
  ['dots', ({ repo, tag }) => `/v2/x/../${repo}/manifests/${tag}`],
  ['a dot', ({ repo, tag }) => `/v2/./${repo}/manifests/${tag}`],
  ['encoded dots', ({ repo, tag }) => `/v2/x/%2e%2e/${repo}/manifests/${tag}`],
  ['backslashes', ({ repo, tag }) => `/v2\\x\\..\\${repo}/manifests/${tag}`],
  ['a backslash in the name', ({ repo, tag }) => `/v2/${repo.replace('/', '\\')}/manifests/${tag}`],
];

export const pathRows: readonly Row[] = [
  ...UNRESOLVED.map(
    ([what, target]): Row => ({
      name: `traversal without a Host: ${what}`,
      pieces: (site) => [`GET ${target(site)} HTTP/1.0\r\n\r\n`],
      expected: what === 'backslashes' ? NOTHING_HERE : NAME_INVALID,
    }),
  ),
  ...GETS.map(
    ([what, target, expected]): Row => ({
      name: `traversal: ${what}`,
      pieces: (site) => request('GET', target(site)),
      expected,
    }),
  ),
  ...(['PUT', 'DELETE'] as const).map(
    (method): Row => ({
      name: `traversal: ${method} to dots as a name`,
      pieces: ({ image }) =>
        request(method, '/v2/%2e%2e/%2e%2e/repos/x/manifests/y', { body: method === 'PUT' ? image.bytes : '' }),
      expected: NOTHING_HERE,
    }),
  ),
  ...QUERIES.map(
    ([what, method, query, expected]): Row => ({
      name: `traversal in ${what}`,
      pieces: ({ repo }) => request(method, `/v2/${repo}/blobs/uploads/?${query}`),
      expected,
    }),
  ),
  {
    name: 'traversal in the digest that closes an upload',
    pieces: ({ upload }) => request('PUT', `${upload}?digest=sha256:../../format`, { body: '' }),
    expected: DIGEST_INVALID,
    upload: {},
  },
  {
    name: 'traversal in a tag parameter',
    pieces: ({ repo, image }) =>
      request('PUT', `/v2/${repo}/manifests/${image.descriptor.digest}?tag=../../x`, { body: image.bytes }),
    expected: MANIFEST_INVALID,
  },
  {
    name: 'traversal in the digest of a manifest in the body',
    pieces: ({ repo }) =>
      request('PUT', `/v2/${repo}/manifests/x`, {
        headers: { 'Content-Type': 'application/vnd.oci.image.index.v1+json' },
        body: '{"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:../../format","size":1}]}',
      }),
    expected: refused(400, 'MANIFEST_INVALID'),
  },
];
