import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type ResponseSoFar, readResponse } from './response.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

function answered(text: string): Extract<ResponseSoFar, { kind: 'answered' }> {
  const response = readResponse(text);
  if (response.kind !== 'answered') throw new Error(`it is ${response.kind}`);
  return response;
}

describe('a response', () => {
  test.each([
    ['a length', `${OK}Content-Length: 2\r\n\r\nok`],
    ['a length of nothing', `${OK}content-length:0\r\n\r\n`],
    ['a status without a body', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['a status without a reason', 'HTTP/1.1 204\r\n\r\n'],
    ['chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;a=b\r\n!\r\n0\r\n\r\n`],
    ['chunks with an empty line in them', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n`],
    ['trailers', `${OK}Transfer-Encoding: Chunked\r\n\r\n0\r\nA: b\r\n\r\n`],
    [
      'earlier responses',
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
    ],
  ])('with %s says where it ends', (_, text) => {
    expect(answered(text)).toEqual({
      ...{ kind: 'answered', status: text.includes('204') ? 204 : 200 },
      ...{ length: text.length, keepsAlive: true },
    });
  });

  test.each([
    ['it says so', `${OK}Content-Length: 0\r\nConnection: Close\r\n\r\n`],
    ['it is of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['nothing says where it ends', `${OK}\r\n`],
    ['two things do', `${OK}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['its lengths differ', `${OK}Content-Length: 0\r\nContent-Length: 1\r\n\r\n`],
    ['its length is no number', `${OK}Content-Length: -1\r\n\r\n`],
    ['its coding is unknown', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['a chunk has no size', `${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`],
  ])('after which the connection cannot be used again, because %s', (_, text) => {
    expect(answered(text)).toMatchObject({ status: 200, keepsAlive: false });
  });

  test.each(['hello\r\n\r\n', 'H2', 'HTTP/2 200\r\n\r\n', 'HTTP/1.1 99 no\r\n\r\n', 'HTTP/1.1 101 Switching\r\n\r\n'])(
    'that is not one of HTTP/1.1 is malformed: %j',
    (text) => expect(readResponse(text)).toEqual({ kind: 'malformed' }),
  );

  test('is read the same way, however many of its bytes have arrived', () => {
    const token = fc.stringMatching(/^[a-z]{1,8}$/);
    const body = fc.stringMatching(/^[a-z\r\n0]{0,40}$/);
    const framed = fc.oneof(
      body.map((text) => `Content-Length: ${text.length}\r\n\r\n${text}`),
      fc.array(body.filter((text) => text !== '')).map((chunks) => {
        const written = chunks.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('');
        return `Transfer-Encoding: chunked\r\n\r\n${written}0\r\n\r\n`;
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), token, framed, fc.nat(), (status, name, rest, cut) => {
        fc.pre(status !== 204 && status !== 304);
        const text = `HTTP/1.1 ${status} ${name}\r\nX-${name}: ${name}\r\n${rest}`;
        expect(readResponse(text)).toEqual({ kind: 'answered', status, length: text.length, keepsAlive: true });
        const part = readResponse(text.slice(0, cut % text.length));
        if (part.kind === 'answered') {
          expect(part).toMatchObject({ status, keepsAlive: true });
          expect([undefined, text.length]).toContain(part.length);
        } else expect(part.kind).toBe('incomplete');
      }),
    );
  });

  test('that is anything else is malformed, incomplete or answered, and never an error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(['malformed', 'incomplete', 'answered']).toContain(readResponse(`${OK}${text}`).kind);
      }),
    );
  });
});
