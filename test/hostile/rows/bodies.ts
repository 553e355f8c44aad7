import { BARE_400, DIGEST_INVALID, type Expected, type Row, refused, SIZE_INVALID } from '../row.ts';
import { request } from '../wire.ts';

/** The digest of the bytes of the upload and five more. */
const WHOLE = 'sha256:936a185caaa266bb9cbe981e9e05cb78cd732b0b3280eb944412bb6f8f8f07af';

/** Lengths and encodings that Bun itself refuses. */
const REFUSED_BY_BUN: readonly (readonly [what: string, headers: string, body: string])[] = [
  ['a negative length', 'Content-Length: -5\r\n', 'world'],
  ['a signed length', 'Content-Length: +5\r\n', 'world'],
  ['a length in words', 'Content-Length: five\r\n', 'world'],
  ['a length in hexadecimal', 'Content-Length: 0x5\r\n', 'world'],
  ['a fraction of a length', 'Content-Length: 5.0\r\n', 'world'],
  ['an empty length', 'Content-Length: \r\n', 'world'],
  ['a length beyond 64 bits', 'Content-Length: 99999999999999999999999\r\n', 'world'],
  ['the largest length of 63 bits', 'Content-Length: 9223372036854775807\r\n', 'world'],
  ['a list of lengths', 'Content-Length: 5, 5\r\n', 'world'],
  ['two different lengths', 'Content-Length: 5\r\nContent-Length: 3\r\n', 'world'],
  ['a length and an encoding', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '5\r\nworld\r\n0\r\n\r\n'],
  ['an encoding and a length', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '5\r\nworld\r\n0\r\n\r\n'],
  ['an unknown encoding', 'Transfer-Encoding: xchunked\r\n', '5\r\nworld\r\n0\r\n\r\n'],
  ['two encodings', 'Transfer-Encoding: gzip, chunked\r\n', '5\r\nworld\r\n0\r\n\r\n'],
  ['the encoding identity', 'Transfer-Encoding: identity\r\n', 'world'],
  ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '5\r\nworld\r\n0\r\n\r\n'],
  ['chunked and identity', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '5\r\nworld\r\n0\r\n\r\n'],
];

/** Chunked bodies that Bun aborts in the middle. */
const BROKEN_CHUNKS: readonly (readonly [what: string, body: string])[] = [
  ['a size that is not a number', 'zz\r\nworld\r\n0\r\n\r\n'],
  ['a negative size', '-5\r\nworld\r\n0\r\n\r\n'],
  ['a size with 0x', '0x5\r\nworld\r\n0\r\n\r\n'],
  ['a size beyond 64 bits', 'fffffffffffffffff\r\nworld\r\n0\r\n\r\n'],
  ['a size too small', '3\r\nworld\r\n0\r\n\r\n'],
  ['a size too large', '9\r\nworld\r\n0\r\n\r\n'],
  ['no line end after the bytes', '5\r\nworld0\r\n\r\n'],
  ['line feeds alone', '5\nworld\n0\n\n'],
  ['an empty size', '\r\nworld\r\n0\r\n\r\n'],
  ['a broken one after a good one', '5\r\nworld\r\nzz\r\nagain\r\n0\r\n\r\n'],
];

const BUN_TOO_LARGE: Expected = { bare: 413 };

export const bodyRows: readonly Row[] = [
  ...REFUSED_BY_BUN.map(
    ([what, headers, body]): Row => ({
      name: `length: ${what}`,
      pieces: ({ upload }) => [`PATCH ${upload} HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`],
      expected: BARE_400,
      upload: {},
    }),
  ),
  ...BROKEN_CHUNKS.map(
    ([what, body]): Row => ({
      name: `chunks: ${what}`,
      pieces: ({ upload }) =>
        request('PATCH', upload, { headers: { 'Transfer-Encoding': 'chunked' }, body, length: false }),
      expected: BARE_400,
      // Bytes before the fault may be kept, as when a connection breaks.
      upload: { keeps: 14 },
    }),
  ),
  {
    name: 'chunks: an extension of 100 KB',
    pieces: ({ upload }) =>
      request('PATCH', upload, {
        headers: { 'Transfer-Encoding': 'chunked' },
        body: `5;${'a'.repeat(100_000)}\r\nworld\r\n0\r\n\r\n`,
        length: false,
      }),
    expected: BUN_TOO_LARGE,
    upload: {},
  },
  {
    name: 'chunks: a broken one in a manifest',
    pieces: ({ repo }) =>
      request('PUT', `/v2/${repo}/manifests/hostile`, {
        headers: { 'Transfer-Encoding': 'chunked', 'Content-Type': 'application/json' },
        body: '2\r\n{}\r\nzz\r\n',
        length: false,
      }),
    expected: BARE_400,
  },
  ...(['PATCH', 'PUT'] as const).flatMap((method): Row[] => [
    {
      name: `length: the same one twice, ${method}`,
      pieces: ({ upload }) => [
        `${method} ${upload}?digest=${WHOLE} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nworld`,
      ],
      expected: SIZE_INVALID,
      upload: {},
    },
    {
      name: `length: of a petabyte, ${method}`,
      pieces: ({ upload }) =>
        request(method, `${upload}?digest=${WHOLE}`, {
          headers: { 'Content-Length': '1000000000000000' },
          body: 'world',
        }),
      expected: SIZE_INVALID,
      upload: {},
    },
  ]),
  {
    name: 'length: shorter than the last chunk, so that the digest differs',
    pieces: ({ upload }) =>
      request('PUT', `${upload}?digest=${WHOLE}`, { headers: { 'Content-Length': '3' }, body: 'world' }),
    expected: DIGEST_INVALID,
    upload: {},
  },
  {
    name: 'length: shorter than Content-Range',
    pieces: ({ upload }) =>
      request('PATCH', upload, { headers: { 'Content-Length': '3', 'Content-Range': '5-9' }, body: 'world' }),
    expected: SIZE_INVALID,
    upload: {},
  },
  {
    name: 'length: none, although Content-Range announces bytes',
    pieces: ({ upload }) => request('PATCH', upload, { headers: { 'Content-Range': '5-9' } }),
    expected: SIZE_INVALID,
    upload: {},
  },
  {
    name: 'length: of a blob in one request, shorter than the blob',
    pieces: ({ repo, otherBlob }) =>
      request('POST', `/v2/${repo}/blobs/uploads/?digest=${otherBlob.descriptor.digest}`, {
        headers: { 'Content-Length': '4' },
        body: otherBlob.bytes,
      }),
    expected: DIGEST_INVALID,
  },
  {
    name: 'length: an enormous body for an unknown URL',
    pieces: ({ repo }) =>
      request('PUT', `/v2/${repo}/bogus`, {
        headers: { 'Content-Length': '99999999999' },
        body: 'x'.repeat(1_000_000),
      }),
    expected: refused(404, 'UNSUPPORTED'),
  },
];
