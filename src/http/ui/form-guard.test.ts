import { describe, expect, test } from 'bun:test';
import { checkSameOrigin, isTrustedHost } from './form-guard.ts';
import { FormTokens } from './form-tokens.ts';
import { pageOf } from './page-route.ts';

describe('a form', () => {
  const sent = (headers: Record<string, string>, address?: string) => () =>
    checkSameOrigin({ headers: new Headers({ host: 'registry.example:5000', ...headers }), address });

  test('of a page of this registry is accepted', () => {
    expect(sent({})).not.toThrow();
    expect(sent({ origin: 'http://registry.example:5000', 'sec-fetch-site': 'same-origin' })).not.toThrow();
    expect(sent({ origin: 'https://public.example' }, 'https://public.example')).not.toThrow();
  });

  test.each([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://registry.example' },
    { origin: 'http://registry.example:5000.evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { origin: 'http://registry.example:5000', 'sec-fetch-site': 'cross-site' },
  ])('of another site is refused: %p', (headers) => {
    expect(sent(headers)).toThrow('another site');
  });
});

test('hosts that another site could have pointed here are not trusted', () => {
  for (const host of [
    '127.0.0.1:5000',
    '[::1]:5000',
    'localhost',
    'localhost:5000',
    'marina:5000',
    'a.localhost',
    '10.0.0.1',
  ])
    expect([host, isTrustedHost(host, [])]).toEqual([host, true]);
  for (const host of ['', 'evil.example', 'evil.example:5000', '127.0.0.1.evil.example', 'localhost.evil.example'])
    expect([host, isTrustedHost(host, [])]).toEqual([host, false]);
  expect(isTrustedHost('Registry.Example:5000', ['registry.example:5000'])).toBe(true);
  expect(isTrustedHost('registry.example', ['registry.example:5000'])).toBe(false);
});

describe('a token of a form', () => {
  let now = 0;
  const tokens = new FormTokens('01ARZ3NDEKTSV4RRFFQ69G5FAV', () => now);
  const HALF_DAY = 12 * 60 * 60_000;

  test('is valid for the log-in that it was made for, for at least 12 and at most 24 hours', () => {
    now = 5 * HALF_DAY;
    const token = tokens.issue('login');
    for (now = 5 * HALF_DAY; now < 7 * HALF_DAY; now += HALF_DAY / 4) expect(tokens.isValid(token, 'login')).toBe(true);
    now = 7 * HALF_DAY;
    expect(tokens.isValid(token, 'login')).toBe(false);
  });

  test('is not valid for another log-in, for none, or for another store', () => {
    const token = tokens.issue('login');
    const other = new FormTokens('01BX5ZZKBKACTAV9WEVGEMMVRZ', () => now);
    expect([tokens.isValid(token, 'other'), tokens.isValid(token, undefined), other.isValid(token, 'login')]).toEqual([
      false,
      false,
      false,
    ]);
    expect([tokens.isValid('', undefined), tokens.isValid('é', undefined)]).toEqual([false, false]);
  });
});

test('a log-in leads only to pages of this registry', () => {
  expect(pageOf('/ui/repositories/a/b:v1?sort=name')).toBe('/ui/repositories/a/b:v1?sort=name');
  for (const to of [
    null,
    '',
    'https://evil.example/',
    '//evil.example',
    '/ui//evil.example',
    '/v2/',
    '/ui/\r\nSet-Cookie: a=b',
    '/ui/\\evil',
    '/ui/../v2/',
    '/ui/..//evil.example',
    '/ui/a/%2e%2e/.%2E/token?scope=a',
  ])
    expect(pageOf(to)).toBe('/ui/');
});
