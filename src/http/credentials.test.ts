import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Credentials, parseAuthorization } from './credentials.ts';

function basic(pair: string, scheme = 'Basic'): string {
  return `${scheme} ${Buffer.from(pair).toString('base64')}`;
}

const kindOf = (header: string): Credentials['kind'] => parseAuthorization(header).kind;

describe('an Authorization header', () => {
  test('that is missing gives no credentials', () => {
    expect(parseAuthorization(null)).toEqual({ kind: 'none' });
  });

  test.each(['Basic', 'basic', 'BASIC', 'bAsIc'])('has its scheme in any case: %s', (scheme) => {
    expect(parseAuthorization(basic('me:secret', scheme))).toEqual({ kind: 'basic', user: 'me', password: 'secret' });
  });

  test.each(['Bearer', 'bearer', 'BEARER'])('has its scheme in any case: %s', (scheme) => {
    expect(parseAuthorization(`${scheme} a.b-c_d~e+f/g==`)).toEqual({ kind: 'bearer', token: 'a.b-c_d~e+f/g==' });
  });

  test('may have several spaces after the scheme', () => {
    expect(kindOf('Bearer   token')).toBe('bearer');
  });

  test.each([
    ['an empty one', ''],
    ['a scheme alone', 'Basic'],
    ['a scheme and a space', 'Bearer '],
    ['another scheme', 'Digest username="a"'],
    ['a scheme that begins like one', 'Basics bWU6c2VjcmV0'],
    ['two of them, joined', `${basic('a:b')}, ${basic('c:d')}`],
    ['two tokens', 'Bearer a b'],
    ['no base64', 'Basic a:b'],
    ['base64 that is cut', 'Basic YWxpY2U6c2VjcmV'.slice(0, -2)],
    ['base64 of bytes that are not UTF-8', `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString('base64')}`],
    ['no colon', basic('alice')],
    ['a line feed in the user', basic('al\nice:secret')],
    ['a NUL in the password', basic('alice:sec\0ret')],
    ['another control character', basic('alice:sec\u0085ret')],
    ['one that is too long', `Bearer ${'a'.repeat(16_384)}`],
  ])('that is %s is malformed', (_, header) => {
    expect(kindOf(header)).toBe('malformed');
  });

  test('ends the user at the first colon', () => {
    expect(parseAuthorization(basic('a:b:c'))).toEqual({ kind: 'basic', user: 'a', password: 'b:c' });
    expect(parseAuthorization(basic(':b'))).toEqual({ kind: 'basic', user: '', password: 'b' });
    expect(parseAuthorization(basic('a:'))).toEqual({ kind: 'basic', user: 'a', password: '' });
  });
});

describe('any input', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .tuple(fc.constantFrom('Basic ', 'Bearer ', 'basic  ', 'BEARER\t'), fc.string({ maxLength: 100 }))
      .map((parts) => parts.join('')),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => `Basic ${Buffer.from(bytes).toString('base64')}`),
  );

  test('is parsed without an exception, and no reason repeats it', () => {
    fc.assert(
      fc.property(anyText, (header) => {
        const found = parseAuthorization(header);
        if (found.kind !== 'malformed' || header.trim().length < 8) return;
        expect(found.reason).not.toContain(header);
      }),
    );
  });

  test('is unambiguous: a user and a password survive encoding and parsing', () => {
    const word = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !/\p{Cc}/u.test(text));
    const user = word.filter((text) => !text.includes(':'));
    fc.assert(
      fc.property(user, word, (name, password) => {
        fc.pre(name.isWellFormed() && password.isWellFormed());
        expect(parseAuthorization(basic(`${name}:${password}`))).toEqual({ kind: 'basic', user: name, password });
      }),
    );
  });

  test('that is not exactly the base64 of its bytes is malformed', () => {
    const texts = fc.stringMatching(/^[A-Za-z0-9\-._~+/]{1,40}={0,3}$/);
    fc.assert(
      fc.property(texts, (value) => {
        const found = parseAuthorization(`Basic ${value}`);
        if (found.kind !== 'basic') return;
        const again = Buffer.from(`${found.user}:${found.password}`).toString('base64');
        expect(value.replace(/=+$/, '')).toBe(again.replace(/=+$/, ''));
      }),
    );
  });
});
