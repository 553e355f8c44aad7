import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import { z } from 'zod';

/** A key that can verify signatures. */
export interface PublicKey {
  readonly key: KeyObject;
  /** The only algorithms that it may verify: a token cannot choose another. */
  readonly algorithms: readonly string[];
}

/** A key of a JSON Web Key Set, reduced to the members that identify it. */
export interface PublicJwk extends PublicKey {
  readonly jwk: JWK;
}

/** RFC 7518, section 3.3: "A key of size 2048 bits or larger MUST be used". */
const MIN_RSA_BITS = 2_048;
/** RFC 8017, section 3.1: "the RSA public exponent e is an integer between 3 and n - 1". With an exponent of 1 anyone can sign. */
const MIN_RSA_EXPONENT = 3n;

const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const EC_ALGORITHMS: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

// Other members are ignored, above all private ones, certificates, and URLs of certificates.
const member = z.string().exactOptional();
const shape = z.object({
  kty: z.string(),
  kid: member,
  alg: member,
  use: member,
  key_ops: z.array(z.string()).exactOptional(),
  crv: member,
  n: member,
  e: member,
  x: member,
  y: member,
});
const set = z.object({ keys: z.array(z.unknown()) });

/**
 * Reads a JSON Web Key Set (RFC 7517). Keys for other uses or of other kinds are skipped: "Implementations SHOULD ignore JWKs within
 * a JWK Set that use "kty" values that are not understood by them".
 * @returns undefined if it is not a key set
 */
export function readKeySet(json: unknown): readonly PublicJwk[] | undefined {
  const { data } = set.safeParse(json);
  return data?.keys.flatMap((each) => readPublicJwk(each) ?? []);
}

/** @returns undefined if the key cannot verify signatures */
export function readPublicJwk(json: unknown): PublicJwk | undefined {
  const { data: jwk } = shape.safeParse(json);
  if (jwk === undefined || (jwk.use !== undefined && jwk.use !== 'sig')) return undefined;
  if (jwk.key_ops !== undefined && !jwk.key_ops.includes('verify')) return undefined;
  const key = keyOf(jwk);
  if (key === undefined) return undefined;
  const algorithms = algorithmsOf(key).filter((each) => jwk.alg === undefined || jwk.alg === each);
  return algorithms.length === 0 ? undefined : { jwk: normalized(key, jwk), key, algorithms };
}

/**
 * The key in canonical form. Parsers differ in what they accept, such as base64 with line breaks or unknown uses, so a key that this
 * one accepts could otherwise fail in another at the first token.
 */
function normalized(key: KeyObject, { kid, alg, use }: z.output<typeof shape>): JWK {
  return {
    ...key.export({ format: 'jwk' }),
    ...(kid === undefined ? {} : { kid }),
    ...(alg === undefined ? {} : { alg }),
    ...(use === undefined ? {} : { use }),
  };
}

/** The signature algorithms that a key can verify; empty for unsupported kinds of keys and for keys that are too short. */
export function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  switch (asymmetricKeyType) {
    case 'rsa': {
      const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {};
      return modulusLength >= MIN_RSA_BITS && publicExponent >= MIN_RSA_EXPONENT ? RSA_ALGORITHMS : [];
    }
    case 'ec': {
      const algorithm = EC_ALGORITHMS[asymmetricKeyDetails?.namedCurve ?? ''];
      return algorithm === undefined ? [] : [algorithm];
    }
    case 'ed25519':
      return ['EdDSA'];
    default:
      return [];
  }
}

function keyOf({ use: _, key_ops: __, ...jwk }: z.output<typeof shape>): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    // The kind is not supported, or the key is malformed.
    return undefined;
  }
}
