import { type Expected, type Row, refused, SIZE_INVALID, UNSATISFIABLE, UPLOAD_INVALID } from '../row.ts';
import { request } from '../wire.ts';

/** Of a blob of ten bytes. */
const RANGES: readonly (readonly [what: string, range: string])[] = [
  ['no range', 'bytes='],
  ['only a hyphen', 'bytes=-'],
  ['letters', 'bytes=a-b'],
  ['ends before it begins', 'bytes=5-4'],
  ['begins far behind its end', 'bytes=500-0'],
  ['begins at the end', 'bytes=10-'],
  ['starts past the end', 'bytes=10-20'],
  ['the last zero bytes', 'bytes=-0'],
  ['two hyphens', 'bytes=--1'],
  ['a sign', 'bytes=+1-2'],
  ['three numbers', 'bytes=1-2-3'],
  ['fractions', 'bytes=1.0-2.0'],
  ['hexadecimal', 'bytes=0x1-0x2'],
  ['an exponent', 'bytes=1e1-1e2'],
  ['NaN', 'bytes=NaN-NaN'],
  ['more than 64 bits', 'bytes=18446744073709551616-18446744073709551617'],
  ['hundreds of digits', `bytes=${'9'.repeat(400)}-`],
  ['Arabic digits', 'bytes=\u00d9\u00a1-\u00d9\u00a2'],
  ['a space in the middle', 'bytes=0 -4'],
  ['a good one and a bad one', 'bytes=0-1,x'],
  ['two, both past the end', 'bytes=10-,20-30'],
  ['a good one and one that ends before it begins', 'bytes=0-1,5-4'],
  ['thousands of commas', `bytes=${','.repeat(4000)}`],
  ['a total length', 'bytes=0-4/10'],
];

/** For five bytes at offset 5. */
const CONTENT_RANGES: readonly (readonly [range: string, expected: Expected])[] = [
  ['', UPLOAD_INVALID],
  ['*', UPLOAD_INVALID],
  ['5-', UPLOAD_INVALID],
  ['-9', UPLOAD_INVALID],
  ['a-b', UPLOAD_INVALID],
  ['9-5', UPLOAD_INVALID],
  ['bytes 5-9/10', UPLOAD_INVALID],
  ['bytes 5-9', UPLOAD_INVALID],
  ['bytes=5-9', UPLOAD_INVALID],
  ['5-9/10', UPLOAD_INVALID],
  ['5-9/*', UPLOAD_INVALID],
  ['5--9', UPLOAD_INVALID],
  ['-5-9', UPLOAD_INVALID],
  ['+5-9', UPLOAD_INVALID],
  ['5 - 9', UPLOAD_INVALID],
  ['5-9,10-14', UPLOAD_INVALID],
  ['0x5-0x9', UPLOAD_INVALID],
  ['5e0-9e0', UPLOAD_INVALID],
  ['5.0-9', UPLOAD_INVALID],
  ['NaN-NaN', UPLOAD_INVALID],
  ['9007199254740993-9007199254740997', UPLOAD_INVALID],
  ['18446744073709551616-18446744073709551620', UPLOAD_INVALID],
  ['\u00d9\u00a5-\u00d9\u00a9', UPLOAD_INVALID],
  ['5-8', SIZE_INVALID],
  ['5-10', SIZE_INVALID],
  ['5-999999999999999', SIZE_INVALID],
  ['0-4', refused(416, 'BLOB_UPLOAD_INVALID')],
  ['4-8', refused(416, 'BLOB_UPLOAD_INVALID')],
  ['6-10', refused(416, 'BLOB_UPLOAD_INVALID')],
  ['999999999999990-999999999999994', refused(416, 'BLOB_UPLOAD_INVALID')],
];

const DIGEST = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';

export const rangeRows: readonly Row[] = [
  ...RANGES.map(
    ([what, range]): Row => ({
      name: `Range: ${what}`,
      pieces: ({ repo, blob }) =>
        request('GET', `/v2/${repo}/blobs/${blob.descriptor.digest}`, { headers: { Range: range } }),
      expected: UNSATISFIABLE,
    }),
  ),
  ...CONTENT_RANGES.map(
    ([range, expected]): Row => ({
      name: `Content-Range: ${range || 'empty'}`,
      pieces: ({ upload }) => request('PATCH', upload, { headers: { 'Content-Range': range }, body: 'world' }),
      expected,
      upload: {},
    }),
  ),
  ...(
    [
      ['bytes 5-9/10', UPLOAD_INVALID],
      ['9-5', UPLOAD_INVALID],
      ['5-8', SIZE_INVALID],
      ['0-4', refused(416, 'BLOB_UPLOAD_INVALID')],
      ['6-10', refused(416, 'BLOB_UPLOAD_INVALID')],
    ] as const
  ).map(
    ([range, expected]): Row => ({
      name: `Content-Range of a closing chunk: ${range}`,
      pieces: ({ upload }) =>
        request('PUT', `${upload}?digest=${DIGEST}`, { headers: { 'Content-Range': range }, body: 'world' }),
      expected,
      upload: {},
    }),
  ),
  ...(
    [
      ['more than was sent', '5-14'],
      ['less than was sent', '5-6'],
    ] as const
  ).map(
    ([what, range]): Row => ({
      name: `Content-Range of a chunked body: ${what}`,
      pieces: ({ upload }) =>
        request('PATCH', upload, {
          headers: { 'Content-Range': range, 'Transfer-Encoding': 'chunked' },
          body: '5\r\nworld\r\n0\r\n\r\n',
          length: false,
        }),
      expected: SIZE_INVALID,
      upload: {},
    }),
  ),
];
