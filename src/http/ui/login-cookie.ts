/*
 * The cookies of log-ins. With TLS their names have the prefix `__Host-`: browsers then accept them only from this host, over TLS, so
 * neither a neighbouring host nor an attacker in the network can set one.
 */

interface Cookie {
  readonly name: string;
  readonly seconds: number;
  readonly sameSite: 'Strict' | 'Lax';
}

/** As long as a log-in. */
export const LOGIN_SECONDS = 12 * 60 * 60;
/** How long a person may take at an issuer. */
export const PENDING_LOGIN_SECONDS = 10 * 60;

const LOGIN: Cookie = { name: 'marina_session', seconds: LOGIN_SECONDS, sameSite: 'Strict' };
/** The browser comes back from the issuer by a link of another site, and with that it sends no Strict cookies. */
const PENDING: Cookie = { name: 'marina_login', seconds: PENDING_LOGIN_SECONDS, sameSite: 'Lax' };

/** Browsers drop longer cookies. */
const MAX_COOKIE = 4_096;

/** @returns undefined if there is none */
export function loginCookieOf(headers: Headers, isSecure: boolean): string | undefined {
  return cookieValue(LOGIN, headers, isSecure);
}

/** The cookie of a log-in that has begun and goes on at an issuer. @returns undefined if there is none */
export function pendingLoginCookieOf(headers: Headers, isSecure: boolean): string | undefined {
  return cookieValue(PENDING, headers, isSecure);
}

/** The Set-Cookie of a log-in; undefined if the token is too long for a cookie. */
export function loginCookie(token: string, isSecure: boolean): string | undefined {
  return set(LOGIN, token, isSecure);
}

/** The Set-Cookie of a log-in that goes on at an issuer; undefined if the token is too long for a cookie. */
export function pendingLoginCookie(token: string, isSecure: boolean): string | undefined {
  return set(PENDING, token, isSecure);
}

/** The Set-Cookie of a log-out. */
export function endedLoginCookie(isSecure: boolean): string {
  return remove(LOGIN, isSecure);
}

/** The Set-Cookie after the browser has come back from an issuer. */
export function endedPendingLoginCookie(isSecure: boolean): string {
  return remove(PENDING, isSecure);
}

function cookieValue(of: Cookie, headers: Headers, isSecure: boolean): string | undefined {
  const header = headers.get('cookie');
  if (header === null) return undefined;
  const name = nameFor(of, isSecure);
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim() || undefined;
  }
  return undefined;
}

function set(of: Cookie, token: string, isSecure: boolean): string | undefined {
  const cookie = `${nameFor(of, isSecure)}=${token}`;
  return cookie.length > MAX_COOKIE ? undefined : `${cookie}; Max-Age=${of.seconds}; ${attributes(of, isSecure)}`;
}

function remove(of: Cookie, isSecure: boolean): string {
  return `${nameFor(of, isSecure)}=; Max-Age=0; ${attributes(of, isSecure)}`;
}

function nameFor({ name }: Cookie, isSecure: boolean): string {
  return isSecure ? `__Host-${name}` : name;
}

function attributes({ sameSite }: Cookie, isSecure: boolean): string {
  return `Path=/; HttpOnly; SameSite=${sameSite}${isSecure ? '; Secure' : ''}`;
}
