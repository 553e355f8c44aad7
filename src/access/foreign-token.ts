import { decodeJwt, errors } from 'jose';

/** By how much the clocks of this machine and of token issuers may differ. */
export const LEEWAY_SECONDS = 60;

/** A longer token does not fit into a header. */
const MAX_TOKEN_CHARACTERS = 16_384;

/** Three parts in base64url; `eyJ` is the encoding of `{"`. */
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whether a text has the form of a signed JSON Web Token. */
export function isTokenLike(text: string): boolean {
  return text.length <= MAX_TOKEN_CHARACTERS && JWT.test(text);
}

/** The unverified `iss` of a token; undefined if the text is not a token. */
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
 * Why a token is refused, for the log. The reason shows no part of the token.
 * @throws errors that are not from the token library, because those are defects
 */
export function refusalOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return reasonOfClaim(error);
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'the signature of the token is wrong';
  if (error instanceof errors.JWKSNoMatchingKey) return 'the token is signed with an unknown key';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'the token does not say which of several keys signed it';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'the token is signed with an algorithm that is not accepted';
  if (error instanceof errors.JOSEError) return `the token is malformed (${error.code})`;
  throw error;
}

function reasonOfClaim({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `the token has no "${claim}"`;
  if (claim === 'nbf') return 'the token is not valid yet: compare the clocks of its issuer and of this machine';
  if (claim === 'aud') return 'the token is for another audience';
  return `the "${claim}" of the token does not have the expected value`;
}
