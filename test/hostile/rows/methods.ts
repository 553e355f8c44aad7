import { NOT_ALLOWED, type Row } from '../row.ts';
import type { Site } from '../site.ts';
import { request } from '../wire.ts';

interface Place {
  readonly what: string;
  readonly target: (site: Site) => string;
  readonly methods: readonly string[];
}

const PLACES: readonly Place[] = [
  {
    what: 'the version',
    target: () => '/v2/',
    methods: ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND'],
  },
  {
    what: 'the catalog',
    target: () => '/v2/_catalog',
    methods: ['POST', 'PUT', 'DELETE', 'TRACE'],
  },
  {
    what: 'the tags',
    target: ({ repo }) => `/v2/${repo}/tags/list`,
    methods: ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'],
  },
  {
    what: 'a manifest',
    target: ({ repo, tag }) => `/v2/${repo}/manifests/${tag}`,
    methods: ['POST', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'LOCK'],
  },
  {
    what: 'a blob',
    target: ({ repo, blob }) => `/v2/${repo}/blobs/${blob.descriptor.digest}`,
    methods: ['POST', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'MOVE'],
  },
  {
    what: 'the uploads',
    target: ({ repo }) => `/v2/${repo}/blobs/uploads/`,
    methods: ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'],
  },
  {
    what: 'the referrers',
    target: ({ repo, image }) => `/v2/${repo}/referrers/${image.descriptor.digest}`,
    methods: ['POST', 'PUT', 'DELETE', 'TRACE'],
  },
];

const INVENTED = ['FOO', 'BREW', 'get', 'GETT'];

export const methodRows: readonly Row[] = [
  ...PLACES.flatMap(({ what, target, methods }) =>
    methods.map(
      (method): Row => ({
        name: `method: ${method} of ${what}`,
        pieces: (site) => request(method, target(site), { body: method === 'GET' ? undefined : 'body' }),
        expected: NOT_ALLOWED,
      }),
    ),
  ),
  ...['POST', 'OPTIONS', 'TRACE'].map(
    (method): Row => ({
      name: `method: ${method} of an upload`,
      pieces: ({ upload }) => request(method, upload),
      expected: NOT_ALLOWED,
      upload: {},
    }),
  ),
  {
    name: 'method: HEAD of the uploads',
    pieces: ({ repo }) => request('HEAD', `/v2/${repo}/blobs/uploads/`),
    expected: { status: 405, code: 'unseen' },
  },
  {
    name: 'method: HEAD of an invalid name',
    pieces: () => request('HEAD', '/v2/UPPER/manifests/x'),
    expected: { status: 400, code: 'unseen' },
  },
  // Bun does not know these and closes the connection without a response.
  ...INVENTED.map(
    (method): Row => ({
      name: `method: ${method}, which does not exist`,
      pieces: ({ repo, tag }) => request(method, `/v2/${repo}/manifests/${tag}`),
      expected: { closed: true },
    }),
  ),
];
