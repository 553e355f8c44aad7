import { createHmac, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * The secret of a robot: `marina_rt_`, 43 random characters of 0-9, A-Z, a-z (256 bits), and 6 more with their CRC-32 in base 62,
 * most significant digit first. So a scanner can verify a finding without a registry.
 */
export const SECRET_PREFIX = 'marina_rt_';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_CHARACTERS = 43;
const CHECK_CHARACTERS = 6;
const SECRET = new RegExp(
  `^${SECRET_PREFIX}(?<random>[0-9A-Za-z]{${RANDOM_CHARACTERS}})(?<check>[0-9A-Za-z]{${CHECK_CHARACTERS}})$`,
);

declare const brand: unique symbol;

/** The hash of a secret that the store keeps: 64 hexadecimal digits. */
export type SecretHash = string & { readonly [brand]: 'SecretHash' };

export function newSecret(): string {
  const random = Array.from({ length: RANDOM_CHARACTERS }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('');
  return `${SECRET_PREFIX}${random}${checkOf(random)}`;
}

/** Whether the text has the form of a secret and a right checksum, so that it was not mistyped or truncated. */
export function isSecret(text: string): boolean {
  const { random, check } = SECRET.exec(text)?.groups ?? {};
  return random !== undefined && checkOf(random) === check;
}

function checkOf(random: string): string {
  let rest = crc32(random);
  let digits = '';
  for (let place = 0; place < CHECK_CHARACTERS; place++) {
    digits = ALPHABET.charAt(rest % ALPHABET.length) + digits;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return digits;
}

/**
 * A slow hash is not needed, because 256 random bits cannot be guessed. The key binds the hash to the store, and the name binds it
 * to the robot.
 * @param store the ULID of the store, or of the one that it was restored from (`Identity.secrets`)
 */
export function hashSecret(store: string, name: string, secret: string): SecretHash {
  return createHmac('sha256', store).update(`robot:${name}:${secret}`).digest('hex') as SecretHash;
}

export function parseSecretHash(text: string): SecretHash | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as SecretHash) : undefined;
}
