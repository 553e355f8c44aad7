import type { Target } from '../row.ts';
import { DIGEST_INVALID, type Expected, type Row, refused, UPLOAD_UNKNOWN } from '../row.ts';
import { request } from '../wire.ts';

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const OUT_OF_ORDER = refused(416, 'BLOB_UPLOAD_INVALID');

/** Uploads that this repository does not have, or no longer has. */
const UNKNOWN: readonly (readonly [what: string, path: (target: Target) => string])[] = [
  ['finished', ({ finished }) => finished],
  ['cancelled', ({ cancelled }) => cancelled],
  ['of another repository', ({ foreign, repo, other }) => foreign.replace(other, repo)],
  ['that never started', ({ repo }) => `/v2/${repo}/blobs/uploads/01234567-89ab-4cde-8f01-23456789abcd`],
  ['in upper case', ({ repo }) => `/v2/${repo}/blobs/uploads/01234567-89AB-4CDE-8F01-23456789ABCD`],
  ['that is not a UUID', ({ repo }) => `/v2/${repo}/blobs/uploads/1`],
  ['a UUID with another character', ({ repo }) => `/v2/${repo}/blobs/uploads/01234567-89ab-4cde-8f01-23456789abcd0`],
];

const METHODS: readonly (readonly [method: string, query: string, body: string | undefined])[] = [
  ['GET', '', undefined],
  ['PATCH', '', 'more'],
  ['PUT', `?digest=${EMPTY}`, ''],
  ['DELETE', '', undefined],
];

/** Chunks for an upload that has five bytes. */
const WRONG_ORDER: readonly (readonly [what: string, method: string, range: string, expected: Expected])[] = [
  ['the first chunk again', 'PATCH', '0-4', OUT_OF_ORDER],
  ['a chunk after a gap', 'PATCH', '10-14', OUT_OF_ORDER],
  ['a last chunk after a gap', 'PUT', '10-14', OUT_OF_ORDER],
  ['the first chunk again as the last', 'PUT', '0-4', OUT_OF_ORDER],
  ['the right chunk with a wrong digest', 'PUT', '5-9', DIGEST_INVALID],
];

export const uploadRows: readonly Row[] = [
  ...UNKNOWN.flatMap(([what, path]) =>
    METHODS.map(
      ([method, query, body]): Row => ({
        name: `upload ${what}: ${method}`,
        pieces: (target) => request(method, path(target) + query, { ...(body === undefined ? {} : { body }) }),
        expected: UPLOAD_UNKNOWN,
      }),
    ),
  ),
  ...WRONG_ORDER.map(
    ([what, method, range, expected]): Row => ({
      name: `upload: ${what}`,
      pieces: ({ upload }) =>
        request(method, `${upload}?digest=${EMPTY}`, { headers: { 'Content-Range': range }, body: 'world' }),
      expected,
      upload: {},
    }),
  ),
  {
    name: 'upload: closed with the digest of only a part of it',
    pieces: ({ upload }) => request('PUT', `${upload}?digest=${EMPTY}`, { body: '' }),
    expected: DIGEST_INVALID,
    upload: {},
  },
  {
    name: 'upload: of another repository, by its own path',
    pieces: ({ upload, repo, other }) => request('GET', upload.replace(repo, other)),
    expected: UPLOAD_UNKNOWN,
    upload: {},
  },
];
