import { expect, test } from 'bun:test';
import {
  endedLoginCookie,
  endedPendingLoginCookie,
  loginCookie,
  loginCookieOf,
  pendingLoginCookie,
  pendingLoginCookieOf,
} from './login-cookie.ts';

function sent(cookie: string, isSecure: boolean): string | undefined {
  return loginCookieOf(new Headers({ cookie }), isSecure);
}

test('over TLS the cookie has the prefix that only this host can set, and is only sent over TLS', () => {
  expect(loginCookie('a.b', true)).toBe(
    '__Host-marina_session=a.b; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict; Secure',
  );
  expect(endedLoginCookie(true)).toBe('__Host-marina_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Secure');
  expect(sent('marina_session=planted; __Host-marina_session=a.b', true)).toBe('a.b');
  expect(sent('marina_session=planted', true)).toBeUndefined();
});

test('without TLS it has no prefix', () => {
  expect(loginCookie('a.b', false)).toBe('marina_session=a.b; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict');
  expect(sent('other=1;marina_session=a.b', false)).toBe('a.b');
});

test('that of a log-in that goes on at an issuer is another one, short-lived, and sent with links of other sites', () => {
  const cookie = '__Host-marina_login=a.b; Max-Age=600; Path=/; HttpOnly; SameSite=Lax; Secure';
  expect(pendingLoginCookie('a.b', true)).toBe(cookie);
  expect(endedPendingLoginCookie(false)).toBe('marina_login=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax');
  const headers = new Headers({ cookie: 'marina_session=x; marina_login=a.b' });
  expect([pendingLoginCookieOf(headers, false), pendingLoginCookieOf(headers, true)]).toEqual(['a.b', undefined]);
});

test('other cookies and an empty one are none, and a token that a browser would drop gets no cookie', () => {
  for (const cookie of ['', 'x', 'marina_session', 'marina_session=', 'xmarina_session=a'])
    expect([cookie, sent(cookie, false)]).toEqual([cookie, undefined]);
  expect(loginCookieOf(new Headers(), false)).toBeUndefined();
  expect(loginCookie('a'.repeat(4_100), false)).toBeUndefined();
});
