import { createHash, type KeyObject } from 'node:crypto';

/** Members of a JWK that RFC 7638 hashes, by kind of key, in the required order. */
const REQUIRED: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['RSA', ['e', 'kty', 'n']],
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
]);

/** Names that token servers may give a key in the `kid` of a token. */
export function namesOf(key: KeyObject): ReadonlySet<string> {
  return new Set([thumbprintOf(key), distributionThumbprintOf(key), libtrustFingerprintOf(key)]);
}

/** The SHA-256 thumbprint of RFC 7638, in base64url. */
export function thumbprintOf(key: KeyObject): string {
  return hashMembers(key, (value) => value);
}

/** As distribution computes it (registry/auth/token/util.go): leading zeros of coordinates are dropped, which RFC 7638 keeps. */
function distributionThumbprintOf(key: KeyObject): string {
  return hashMembers(key, (value, name) => {
    if (key.asymmetricKeyType !== 'ec' || (name !== 'x' && name !== 'y')) return value;
    const bytes = Buffer.from(value, 'base64url');
    return bytes.subarray(bytes.findIndex((byte) => byte !== 0)).toString('base64url');
  });
}

const LIBTRUST_BYTES = 30;
const LIBTRUST_CHARACTERS = 48;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/**
 * The fingerprint of libtrust, which token servers older than distribution 3 use: 240 bits of the SHA-256 of the public key
 * (DER), in base32, in groups of four: `PYYO:TEWU:…`.
 */
function libtrustFingerprintOf(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(der).digest().subarray(0, LIBTRUST_BYTES);
  const digits = BigInt(`0x${hash.toString('hex')}`)
    .toString(BASE32.length)
    .padStart(LIBTRUST_CHARACTERS, '0');
  const text = Array.from(digits, (digit) => BASE32[Number.parseInt(digit, BASE32.length)]).join('');
  return text.replace(/(.{4})(?=.)/g, '$1:');
}

function hashMembers(key: KeyObject, change: (value: string, name: string) => string): string {
  const jwk: Readonly<Record<string, unknown>> = { ...key.export({ format: 'jwk' }) };
  const names = REQUIRED.get(jwk.kty) ?? [];
  const members = Object.fromEntries(names.map((name) => [name, change(String(jwk[name]), name)]));
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}
