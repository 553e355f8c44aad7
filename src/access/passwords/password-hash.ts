import { randomBytes } from 'node:crypto';

/** The hash of a password, as in HTPASSWD_FILE. */
export type PasswordHash =
  | { readonly kind: 'bcrypt'; readonly cost: number; readonly text: string }
  | {
      readonly kind: 'argon2id';
      /** KiB */
      readonly memory: number;
      readonly passes: number;
      readonly lanes: number;
      readonly text: string;
    };

/** "the maximum input length is 72 bytes": bcrypt ignores what follows. */
export const BCRYPT_MAX_BYTES = 72;

// Limits on the cost of one check: about a second. A typo in the file must not block the node at the first login.
const MIN_BCRYPT_COST = 4;
const MAX_BCRYPT_COST = 14;
const MAX_ARGON2_MEMORY_KIB = 256 * 1024;
const MAX_ARGON2_PASSES = 16;
const MAX_ARGON2_LANES = 16;
/** Memory times passes. */
const MAX_ARGON2_WORK_KIB = 1024 * 1024;
const MIN_ARGON2_SALT_BYTES = 8;
const MIN_ARGON2_HASH_BYTES = 16;
const MAX_ARGON2_FIELD_BYTES = 64;

const BCRYPT_ALPHABET = './A-Za-z0-9';
// The last characters of salt and hash carry only 2 and 4 bits, so no implementation produces other characters there.
const BCRYPT = new RegExp(
  `^\\$2[aby]\\$(\\d\\d)\\$[${BCRYPT_ALPHABET}]{21}[.Oeu][${BCRYPT_ALPHABET}]{30}[.CGKOSWaeimquy26]$`,
);
const ARGON2ID = /^\$argon2id\$v=19\$m=(\d{1,9}),t=(\d{1,9}),p=(\d{1,9})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Hashes that other servers accept, by their prefix. */
const OTHER_HASHES: readonly (readonly [beginning: RegExp, name: string])[] = [
  [/^\$apr1\$|^\$1\$/, 'MD5'],
  [/^\{SHA\}/i, 'SHA-1'],
  [/^\$5\$|^\$6\$/, 'SHA-crypt'],
  [/^\$argon2[id]\$/, 'argon2 of another kind than argon2id'],
  [/^\$y\$|^\$7\$/, 'yescrypt or scrypt'],
];

/**
 * Parses a hash. Every hash that it accepts can be checked in bounded time and memory.
 * @returns a string if it is refused: the reason, which shows no part of the hash
 */
export function parsePasswordHash(text: string): PasswordHash | string {
  if (text.startsWith('$2')) return parseBcrypt(text);
  if (text.startsWith('$argon2id$')) return parseArgon2id(text);
  const other = OTHER_HASHES.find(([beginning]) => beginning.test(text))?.[1];
  return other === undefined ? 'it has no bcrypt or argon2id hash' : `its hash is ${other}, not bcrypt or argon2id`;
}

function parseBcrypt(text: string): PasswordHash | string {
  const [, digits] = BCRYPT.exec(text) ?? [];
  if (digits === undefined) return 'its bcrypt hash is malformed';
  const cost = Number(digits);
  if (cost < MIN_BCRYPT_COST || cost > MAX_BCRYPT_COST)
    return `the cost of its bcrypt hash is ${cost}, and ${MIN_BCRYPT_COST} to ${MAX_BCRYPT_COST} are allowed`;
  return { kind: 'bcrypt', cost, text };
}

function parseArgon2id(text: string): PasswordHash | string {
  const [, m, t, p, salt, hash] = ARGON2ID.exec(text) ?? [];
  const saltBytes = lengthOfBase64(salt);
  const hashBytes = lengthOfBase64(hash);
  if (saltBytes === undefined || hashBytes === undefined) return 'its argon2id hash is malformed';
  if (saltBytes < MIN_ARGON2_SALT_BYTES || saltBytes > MAX_ARGON2_FIELD_BYTES)
    return `the salt of its argon2id hash has ${saltBytes} bytes, and ${MIN_ARGON2_SALT_BYTES} to ${MAX_ARGON2_FIELD_BYTES} are allowed`;
  if (hashBytes < MIN_ARGON2_HASH_BYTES || hashBytes > MAX_ARGON2_FIELD_BYTES)
    return `its argon2id hash has ${hashBytes} bytes, and ${MIN_ARGON2_HASH_BYTES} to ${MAX_ARGON2_FIELD_BYTES} are allowed`;
  const [memory, passes, lanes] = [Number(m), Number(t), Number(p)];
  if (lanes < 1 || lanes > MAX_ARGON2_LANES)
    return `p of its argon2id hash is ${lanes}, and 1 to ${MAX_ARGON2_LANES} are allowed`;
  if (passes < 1 || passes > MAX_ARGON2_PASSES)
    return `t of its argon2id hash is ${passes}, and 1 to ${MAX_ARGON2_PASSES} are allowed`;
  // RFC 9106: "Memory size m MUST be an integer number of kibibytes from 8*p to 2^(32)-1."
  if (memory < 8 * lanes || memory > MAX_ARGON2_MEMORY_KIB)
    return `m of its argon2id hash is ${memory}, and ${8 * lanes} to ${MAX_ARGON2_MEMORY_KIB} are allowed`;
  if (memory * passes > MAX_ARGON2_WORK_KIB)
    return `m times t of its argon2id hash is ${memory * passes}, and at most ${MAX_ARGON2_WORK_KIB} is allowed`;
  return { kind: 'argon2id', memory, passes, lanes, text };
}

/** @returns undefined if the text is not canonical base64 without padding */
function lengthOfBase64(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64').replace(/=+$/, '') === text ? bytes.length : undefined;
}

/** Algorithm and cost for people: `bcrypt, cost 10`. */
export function describeHash(hash: PasswordHash): string {
  return hash.kind === 'bcrypt'
    ? `bcrypt, cost ${hash.cost}`
    : `argon2id, m=${hash.memory}, t=${hash.passes}, p=${hash.lanes}`;
}

/** The bytes of a password that are checked. Like other registries, Marina ignores everything after byte 72 with bcrypt. */
export function significantBytes(password: string, { kind }: PasswordHash): Uint8Array {
  const bytes = Buffer.from(password);
  return kind === 'bcrypt' ? bytes.subarray(0, BCRYPT_MAX_BYTES) : bytes;
}

/**
 * A hash that matches no password, with the most frequent cost of these hashes. Names without an account are checked against it, so
 * that response times do not reveal which accounts exist.
 */
export function decoyFor(hashes: Iterable<PasswordHash>): PasswordHash {
  const counts = new Map<string, { readonly hash: PasswordHash; count: number }>();
  for (const hash of hashes) {
    const cost = describeHash(hash);
    const seen = counts.get(cost);
    if (seen === undefined) counts.set(cost, { hash, count: 1 });
    else seen.count++;
  }
  let commonest: { readonly hash: PasswordHash; readonly count: number } | undefined;
  for (const each of counts.values()) if (commonest === undefined || each.count > commonest.count) commonest = each;
  return commonest === undefined ? DECOY_WITHOUT_ACCOUNTS : decoyOf(commonest.hash);
}

function decoyOf(hash: PasswordHash): PasswordHash {
  const base64 = (bytes: number): string => randomBytes(bytes).toString('base64').replace(/=+$/, '');
  if (hash.kind === 'argon2id') {
    const { memory, passes, lanes } = hash;
    return { ...hash, text: `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${base64(16)}$${base64(32)}` };
  }
  const random = base64(39).replaceAll('+', '.');
  const text = `$2b$${String(hash.cost).padStart(2, '0')}$${random.slice(0, 21)}.${random.slice(21, 51)}.`;
  return { ...hash, text };
}

const DECOY_WITHOUT_ACCOUNTS = decoyOf({ kind: 'bcrypt', cost: 10, text: '' });
