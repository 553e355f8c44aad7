import { decodeJwt, errors } from 'jose';

/** Clocks of this machine and of those that issue tokens may differ by this much. */
export const LEEWAY_SECONDS = 60;

/** A longer token does not fit into a header. */
const MAX_TOKEN_CHARACTERS = 16_384;

/** Three parts in base64url, the first of which begins as every JSON object does. */
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whether a text can be a signed JSON Web Token. */
export function isTokenLike(text: string): boolean {
  return text.length <= MAX_TOKEN_CHARACTERS && JWT.test(text);
}

/** The `iss` that a token claims to have; undefined if it is not a token. Nothing about it is verified. */
export function issuerOf(token: string): string | undefined {
  if (!isTokenLike(token)) return undefined;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/**
 * Why a token is refused, for the log. It shows nothing of the token.
 * @throws what is no error of the library that verifies tokens: a defect
 */
export function refusalOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return reasonOfClaim(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'the signature of the token is wrong';
  if (error instanceof errors.JWKSNoMatchingKey) return 'the token is signed with a key that is not known';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'the token does not say which of several keys signed it';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'the token is signed with an algorithm that is not accepted';
  if (error instanceof errors.JOSEError) return `the token is malformed (${error.code})`;
  throw error;
}

function reasonOfClaim({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `the token has no "${claim}"`;
  if (claim === 'nbf')
    return 'the token is not valid yet: compare the clock of its issuer with the one of this machine';
  if (claim === 'aud') return 'the token is for another audience';
  return `the "${claim}" of the token is not what is expected`;
}
