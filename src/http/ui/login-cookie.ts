/*
 * The cookie of a log-in. With TLS its name has the prefix `__Host-`: browsers then accept it only from this host, over TLS, so neither a
 * neighbouring host nor an attacker in the network can set one.
 */

const NAME = 'marina_session';
/** As long as a log-in. */
export const LOGIN_SECONDS = 12 * 60 * 60;
/** Browsers drop longer cookies. */
const MAX_COOKIE = 4_096;

/** @returns undefined if there is none */
export function loginCookieOf(headers: Headers, isSecure: boolean): string | undefined {
  const header = headers.get('cookie');
  if (header === null) return undefined;
  const name = nameFor(isSecure);
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim() || undefined;
  }
  return undefined;
}

/** The Set-Cookie of a log-in; undefined if the token is too long for a cookie. */
export function loginCookie(token: string, isSecure: boolean): string | undefined {
  const cookie = `${nameFor(isSecure)}=${token}`;
  return cookie.length > MAX_COOKIE ? undefined : `${cookie}; Max-Age=${LOGIN_SECONDS}; ${attributes(isSecure)}`;
}

/** The Set-Cookie of a log-out. */
export function endedLoginCookie(isSecure: boolean): string {
  return `${nameFor(isSecure)}=; Max-Age=0; ${attributes(isSecure)}`;
}

function nameFor(isSecure: boolean): string {
  return isSecure ? `__Host-${NAME}` : NAME;
}

function attributes(isSecure: boolean): string {
  return `Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}
