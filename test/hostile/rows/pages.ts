import { type Row, refused, type Target } from '../row.ts';
import { request } from '../wire.ts';

const DENIED = refused(403, 'DENIED');

/** The headers that a browser adds to a request of a page of another site. */
const CROSS_SITE = { Origin: 'http://evil.example', 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' };

/** DNS rebinding: the name of the page's site resolves to the registry, so the browser considers the request same-origin. */
const REBOUND = { Origin: 'http://evil.example', 'Sec-Fetch-Site': 'same-origin' };

const BLOB = 'posted by a page';
const DIGEST = `sha256:${new Bun.CryptoHasher('sha256').update(BLOB).digest('hex')}`;

/** Every write request, as a client would send it successfully. */
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
      ['with a rebound name', REBOUND, 'evil.example'],
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
      ['with an opaque origin', { Origin: 'null' }],
      ['of the same site', { 'Sec-Fetch-Site': 'same-site' }],
      ['without an Origin header', { 'Sec-Fetch-Site': 'cross-site' }],
    ] as const
  ).map(
    ([who, headers]): Row => ({
      name: `a page ${who}: push a blob`,
      pieces: ({ repo }) => request('POST', `/v2/${repo}/blobs/uploads/?digest=${DIGEST}`, { headers, body: BLOB }),
      expected: DENIED,
    }),
  ),
  {
    name: 'a page of another site: preflight request',
    pieces: ({ repo }) =>
      request('OPTIONS', `/v2/${repo}/blobs/uploads/`, {
        headers: { ...CROSS_SITE, 'Access-Control-Request-Method': 'POST' },
      }),
    expected: refused(405, 'UNSUPPORTED'),
  },
];
