import { BCRYPT_MAX_BYTES, type PasswordHash } from './password-hash.ts';

const MIN_CHARACTERS = 8;
const MAX_CHARACTERS = 1_000;

// OWASP's Password Storage Cheat Sheet: "Use Argon2id with a minimum configuration of 19 MiB of memory, an iteration count of 2,
// and 1 degree of parallelism", and for bcrypt "a work factor of 10 or more".
const ARGON2ID = { algorithm: 'argon2id', memoryCost: 19 * 1024, timeCost: 2 } as const;
const BCRYPT = { algorithm: 'bcrypt', cost: 10 } as const;

/** Why a new password is refused, as a sentence that shows no part of it; undefined if it is acceptable. */
export function problemOfPassword(password: string, kind: PasswordHash['kind']): string | undefined {
  if (password === '') return 'the password is empty';
  if (/\p{Cc}/u.test(password)) return 'the password has control characters, such as a line break';
  if (!password.isWellFormed()) return 'the password is not well-formed text';
  const { length } = [...password];
  if (length < MIN_CHARACTERS) return `the password has ${length} characters; the minimum is ${MIN_CHARACTERS}`;
  if (length > MAX_CHARACTERS) return `the password is longer than ${MAX_CHARACTERS} characters`;
  const bytes = Buffer.byteLength(password);
  if (kind === 'bcrypt' && bytes > BCRYPT_MAX_BYTES)
    return `the password has ${bytes} bytes, of which bcrypt uses only ${BCRYPT_MAX_BYTES}: leave out --bcrypt, or choose a shorter password`;
  return undefined;
}

/** @param password for which `problemOfPassword` found no problem */
export function hashNewPassword(password: string, kind: PasswordHash['kind']): Promise<string> {
  return Bun.password.hash(password, kind === 'bcrypt' ? BCRYPT : ARGON2ID);
}
