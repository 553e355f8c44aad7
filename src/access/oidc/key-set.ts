import { createPublicKey } from 'node:crypto';
import { createLocalJWKSet, type JWK, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { KeyProblem } from './key-problem.ts';

/** Looks the key of a token up. @throws errors of jose */
export type KeySet = JWTVerifyGetKey;

/** The algorithms of tokens: each is bound to one kind of key, and so a token cannot choose. */
export const ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA'];

/** RFC 7518, section 3.3: "A key of size 2048 bits or larger MUST be used". */
const MIN_RSA_BITS = 2_048;

// What else a key has is not used: above all private members, certificates, and addresses of them.
const key = z.object({
  kty: z.string(),
  kid: z.string().exactOptional(),
  alg: z.string().exactOptional(),
  use: z.string().exactOptional(),
  key_ops: z.array(z.string()).exactOptional(),
  crv: z.string().exactOptional(),
  n: z.string().exactOptional(),
  e: z.string().exactOptional(),
  x: z.string().exactOptional(),
  y: z.string().exactOptional(),
});
const shape = z.object({ keys: z.array(z.unknown()) });

/**
 * Reads a JSON Web Key Set (RFC 7517). Keys for other uses or of other kinds are left out: "Implementations SHOULD ignore JWKs within
 * a JWK Set that use "kty" values that are not understood by them".
 * @param where for messages
 * @throws KeyProblem if no key is left
 */
export function parseKeySet(json: unknown, where: string): KeySet {
  const { data } = shape.safeParse(json);
  if (data === undefined) throw new KeyProblem(`${where} is no JSON Web Key Set`);
  const keys = data.keys.flatMap((each): JWK[] => {
    const parsed = key.safeParse(each);
    return parsed.success && isUsable(parsed.data) ? [parsed.data] : [];
  });
  if (keys.length === 0) throw new KeyProblem(`${where} has no key that can sign with ${ALGORITHMS.join(', ')}`);
  return createLocalJWKSet({ keys });
}

function isUsable({ use, ...jwk }: z.output<typeof key>): boolean {
  if (use !== undefined && use !== 'sig') return false;
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: jwk, format: 'jwk' });
    switch (asymmetricKeyType) {
      case 'rsa':
        return (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;
      case 'ec':
        return asymmetricKeyDetails?.namedCurve === 'prime256v1';
      default:
        return asymmetricKeyType === 'ed25519';
    }
  } catch {
    // Of a kind that is not known here, or not well-formed.
    return false;
  }
}
