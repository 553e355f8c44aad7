/** The credentials in a request. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  /** @property reason for the log; it shows no part of the header */
  | { readonly kind: 'malformed'; readonly reason: string };

/** Maximum length of the header's value. Tokens of CI services have up to 3,000 characters. Bun accepts 16 KiB of headers in all. */
const MAX_AUTHORIZATION = 16_384;

const NO_CREDENTIALS: Credentials = { kind: 'none' };

/** "credentials = auth-scheme [ 1*SP ( token68 / … ) ]" (RFC 9110, section 11.4), for the two supported schemes. */
const CREDENTIALS = /^(basic|bearer) +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * Parses an Authorization header. Never throws.
 * @param header null if there is none
 */
export function parseAuthorization(header: string | null): Credentials {
  if (header === null) return NO_CREDENTIALS;
  if (header.length > MAX_AUTHORIZATION) return malformed('the Authorization header is too long');
  const [, scheme, value] = CREDENTIALS.exec(header) ?? [];
  if (scheme === undefined || value === undefined) {
    return malformed('the Authorization header is neither Basic nor Bearer credentials');
  }
  return scheme.length === 'basic'.length ? parseBasic(value) : { kind: 'bearer', token: value };
}

/** Canonical base64, with or without padding, so that no two encodings mean the same. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw](?:==)?|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=?)?$/;
const PRINTABLE = /^[\x20-\x7e]*$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** RFC 7617. */
function parseBasic(value: string): Credentials {
  const pair = decodePair(value);
  if (pair === undefined) return malformed('the Basic credentials are not UTF-8 text in base64');
  const colon = pair.indexOf(':');
  if (colon < 0) return malformed('the Basic credentials have no colon');
  // "The user-id and password MUST NOT contain any control characters".
  if (!PRINTABLE.test(pair) && /\p{Cc}/u.test(pair)) return malformed('the Basic credentials have a control character');
  return { kind: 'basic', user: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

function decodePair(value: string): string | undefined {
  // Buffer would skip invalid characters.
  if (!BASE64.test(value)) return undefined;
  const bytes = Buffer.from(value, 'base64');
  const text = bytes.toString('latin1');
  // Most credentials are ASCII, and the decoder would take longer than everything else here.
  if (PRINTABLE.test(text)) return text;
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function malformed(reason: string): Credentials {
  return { kind: 'malformed', reason };
}
