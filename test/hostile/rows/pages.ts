import { type Row, refused, type Target } from '../row.ts';
import { request } from '../wire.ts';

const DENIED = refused(403, 'DENIED');

/** What a browser adds to a request that a page of another site makes. */
const CROSS_SITE = { Origin: 'http://evil.example', 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' };

/** The name of the page's own site leads to the registry: to the browser the request stays on its site. */
const REBOUND = { Origin: 'http://evil.example', 'Sec-Fetch-Site': 'same-origin' };

const BLOB = 'posted by a page';
const DIGEST = `sha256:${new Bun.CryptoHasher('sha256').update(BLOB).digest('hex')}`;

/** Every request that writes, as it would be taken from a client. */
const WRITES: readonly (readonly [
  what: string,
  method: string,
  target: (site: Target) => string,
  body?: (site: Target) => string | Uint8Array,
])[] = [
  ['begin an upload', 'POST', ({ repo }) => `/v2/${repo}/blobs/uploads/`],
  ['push a blob', 'POST', ({ repo }) => `/v2/${repo}/blobs/uploads/?digest=${DIGEST}`, () => BLOB],
  [
    'mount a blob',
    'POST',
    ({ repo, other, otherBlob }) => `/v2/${repo}/blobs/uploads/?mount=${otherBlob.descriptor.digest}&from=${other}`,
  ],
  ['push a manifest', 'PUT', ({ repo }) => `/v2/${repo}/manifests/page`, ({ image }) => image.bytes],
  ['replace a tag', 'PUT', ({ repo, tag }) => `/v2/${repo}/manifests/${tag}`, () => '{"mediaType":"a/b"}'],
  ['delete a tag', 'DELETE', ({ repo, tag }) => `/v2/${repo}/manifests/${tag}`],
  ['delete a manifest', 'DELETE', ({ repo, image }) => `/v2/${repo}/manifests/${image.descriptor.digest}`],
  ['delete a blob', 'DELETE', ({ other, otherBlob }) => `/v2/${other}/blobs/${otherBlob.descriptor.digest}`],
];

const UPLOADS: readonly (readonly [what: string, method: string, query: string, body?: string])[] = [
  ['add to an upload', 'PATCH', '', 'world'],
  ['close an upload', 'PUT', `?digest=${DIGEST}`, 'world'],
  ['cancel an upload', 'DELETE', ''],
];

export const pageRows: readonly Row[] = [
  ...(
    [
      ['of another site', CROSS_SITE, 'registry.example'],
      ['that was rebound', REBOUND, 'evil.example'],
    ] as const
  ).flatMap(([who, headers, host]): Row[] => [
    ...WRITES.map(
      ([what, method, target, body]): Row => ({
        name: `a page ${who}: ${what}`,
        pieces: (site) => request(method, target(site), { host, headers, body: body?.(site) }),
        expected: DENIED,
      }),
    ),
    ...UPLOADS.map(
      ([what, method, query, body]): Row => ({
        name: `a page ${who}: ${what}`,
        pieces: ({ upload }) => request(method, upload + query, { host, headers, body }),
        expected: DENIED,
        upload: {},
      }),
    ),
  ]),
  ...(
    [
      ['without an origin of its own', { Origin: 'null' }],
      ['of the same site', { 'Sec-Fetch-Site': 'same-site' }],
      ['that says nothing of its origin', { 'Sec-Fetch-Site': 'cross-site' }],
    ] as const
  ).map(
    ([who, headers]): Row => ({
      name: `a page ${who}: push a blob`,
      pieces: ({ repo }) => request('POST', `/v2/${repo}/blobs/uploads/?digest=${DIGEST}`, { headers, body: BLOB }),
      expected: DENIED,
    }),
  ),
  {
    name: 'a page of another site: ask whether it may',
    pieces: ({ repo }) =>
      request('OPTIONS', `/v2/${repo}/blobs/uploads/`, {
        headers: { ...CROSS_SITE, 'Access-Control-Request-Method': 'POST' },
      }),
    expected: refused(405, 'UNSUPPORTED'),
  },
];
