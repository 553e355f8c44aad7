import { BARE_400, type Expected, NOTHING_HERE, REQUEST_INVALID, type Row } from '../row.ts';
import { type Piece, request } from '../wire.ts';

/** Bun supports HTTP/1.0 and 1.1. */
const BARE_505: Expected = { bare: 505 };
const BARE_431: Expected = { bare: 431 };

/** Raw bytes. */
const RAW: readonly (readonly [what: string, text: string, expected: Expected])[] = [
  ['not HTTP', 'hello\r\n\r\n', BARE_400],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', BARE_400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', BARE_400],
  ['HTTP/0.9', 'GET /v2/\r\n', BARE_505],
  ['HTTP/2.0 as a version', 'GET /v2/ HTTP/2.0\r\nHost: a\r\n\r\n', BARE_505],
  ['HTTP/1.2', 'GET /v2/ HTTP/1.2\r\nHost: a\r\n\r\n', BARE_505],
  ['an invalid version', 'GET /v2/ HTTP/x\r\nHost: a\r\n\r\n', BARE_505],
  ['a space in the URL', 'GET /v2/a b/tags/list HTTP/1.1\r\nHost: a\r\n\r\n', BARE_505],
  ['a NUL in the URL', 'GET /v2/a\0b/tags/list HTTP/1.1\r\nHost: a\r\n\r\n', BARE_505],
  ['a method of bytes beyond ASCII', 'G\u00cbT /v2/ HTTP/1.1\r\nHost: a\r\n\r\n', BARE_505],
  ['line feeds alone', 'GET /v2/ HTTP/1.1\nHost: a\n\n', BARE_505],
  ['an asterisk as URL', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', BARE_400],
  ['a URL without a slash', 'GET v2/ HTTP/1.1\r\nHost: a\r\n\r\n', BARE_400],
  ['a header without a colon', 'GET /v2/ HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n', BARE_400],
  ['a space before the colon', 'GET /v2/ HTTP/1.1\r\nHost: a\r\nAccept : b\r\n\r\n', BARE_400],
  ['a header over two lines', 'GET /v2/ HTTP/1.1\r\nHost: a\r\nAccept: b\r\n c\r\n\r\n', BARE_400],
  ['a NUL in a header', 'GET /v2/ HTTP/1.1\r\nHost: a\r\nAccept: \0\r\n\r\n', BARE_400],
  ['no Host', 'GET /v2/ HTTP/1.1\r\n\r\n', BARE_400],
  ['two Hosts', 'GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', REQUEST_INVALID],
  ['the same Host twice', 'GET /v2/ HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', REQUEST_INVALID],
  ['no Host in HTTP/1.0, and an unknown URL', 'GET /v1/ HTTP/1.0\r\n\r\n', NOTHING_HERE],
];

/** A proxy in front may send a request to the host of one header while the registry answers for the other, whatever the path is. */
const ELSEWHERE = ['/', '/healthz', '/readyz', '/metrics', '/elsewhere', '/api/v1/openapi.json', '/token'];

const HOSTS: readonly (readonly [what: string, host: string])[] = [
  ['with a path', 'a/b'],
  ['with a path into the API', 'a/v2/b/tags/list?'],
  ['of dots', '../..'],
  ['with a user', 'admin@registry.example'],
  ['with a scheme', 'http://registry.example'],
  ['with a query', 'a?b'],
  ['with a fragment', 'a#b'],
  ['with a space', 'a b'],
  ['with a backslash', 'a\\b'],
  ['of bytes beyond ASCII', '\u00ff'],
];

const HEADERS: readonly (readonly [what: string, headers: string])[] = [
  ['one of 20 KB', `X-Large: ${'a'.repeat(20_000)}\r\n`],
  ['one of 100 KB', `X-Large: ${'a'.repeat(100_000)}\r\n`],
  ['a name of 20 KB', `${'a'.repeat(20_000)}: b\r\n`],
  ['250 of them', Array.from({ length: 250 }, (_, i) => `X-${i}: a\r\n`).join('')],
  ['cookies of 20 KB', `Cookie: ${'a=b; '.repeat(4_000)}\r\n`],
];

function withHeaders(headers: string): Piece[] {
  return [`GET /v2/ HTTP/1.1\r\nHost: a\r\n${headers}\r\n`];
}

export const protocolRows: readonly Row[] = [
  ...RAW.map(([what, text, expected]): Row => ({ name: `protocol: ${what}`, pieces: () => [text], expected })),
  ...HOSTS.flatMap(([what, host]): Row[] => [
    {
      name: `Host: ${what}`,
      pieces: ({ repo }) => [`GET /v2/${repo}/tags/list HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
      expected: REQUEST_INVALID,
    },
  ]),
  ...ELSEWHERE.flatMap((path): Row[] => [
    {
      name: `two Hosts: ${path}`,
      pieces: () => [`GET ${path} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`],
      expected: REQUEST_INVALID,
    },
    {
      name: `Host with a path: ${path}`,
      pieces: () => [`GET ${path} HTTP/1.1\r\nHost: a/b\r\n\r\n`],
      expected: REQUEST_INVALID,
    },
  ]),
  ...HEADERS.map(
    ([what, headers]): Row => ({ name: `headers: ${what}`, pieces: () => withHeaders(headers), expected: BARE_431 }),
  ),
  {
    name: 'URL: a name of 20 KB',
    pieces: () => request('GET', `/v2/${'a'.repeat(20_000)}/tags/list`),
    expected: BARE_431,
  },
  {
    name: 'URL: a query of 20 KB',
    pieces: ({ repo }) => request('GET', `/v2/${repo}/tags/list?last=${'a'.repeat(20_000)}`),
    expected: BARE_431,
  },
  {
    name: 'URL: thousands of slashes',
    pieces: () => request('GET', `/v2${'/'.repeat(8_000)}`),
    expected: NOTHING_HERE,
  },
  {
    name: 'URL: a full one with an unknown path',
    pieces: () => request('GET', 'http://elsewhere.example/latest/meta-data/'),
    expected: NOTHING_HERE,
  },
  {
    name: 'URL: a fragment',
    pieces: ({ repo }) => request('GET', `/v2/${repo}/tags/list#x`),
    expected: NOTHING_HERE,
  },
  {
    name: 'URL: a POST outside the API',
    pieces: () => request('POST', '/metrics', { body: 'x' }),
    expected: NOTHING_HERE,
  },
];
