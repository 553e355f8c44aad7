import { decodeJwt, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { KeyRing } from './keys.ts';

/** The kinds of signed tokens. Their `typ` and audiences differ, so neither is accepted as the other. */
type TokenType = 'JWT' | 'marina-refresh+jwt' | 'marina-login+jwt' | 'marina-pending-login+jwt';

export interface SignerPorts {
  readonly keys: KeyRing;
  /** `iss` of all tokens. It names the store: registries that share a key do not accept each other's tokens. */
  readonly issuer: string;
  readonly now: () => number;
  /** A unique id for each token. */
  readonly newId: () => string;
}

export interface Signed {
  readonly token: string;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  /** Seconds. */
  readonly expiresIn: number;
}

export type Verified =
  | { readonly kind: 'verified'; readonly payload: JWTPayload }
  /** @property reason shows no part of the token */
  | { readonly kind: 'refused'; readonly reason: string };

/** By how much the clocks of nodes may differ, and those of clients, which renew tokens by their own clocks. */
export const LEEWAY_SECONDS = 60;

/** A longer token does not fit into a request header. */
export const MAX_TOKEN_CHARACTERS = 12_288;

/** Signs and verifies JSON Web Tokens with the keys of TOKEN_KEY_FILE. */
export class TokenSigner {
  readonly #ports: SignerPorts;

  constructor(ports: SignerPorts) {
    this.#ports = ports;
  }

  get issuer(): string {
    return this.#ports.issuer;
  }

  /** Signs claims with the first key. @param lifetime milliseconds */
  async sign(
    claims: JWTPayload,
    {
      type,
      audience,
      subject,
      lifetime,
    }: {
      readonly type: TokenType;
      readonly audience: string;
      readonly subject: string;
      readonly lifetime: number;
    },
  ): Promise<Signed> {
    const { keys, issuer, now, newId } = this.#ports;
    const { kid, algorithm, privateKey } = (await keys.keys()).first;
    const issuedAt = Math.floor(now() / 1000);
    const expiresIn = Math.floor(lifetime / 1000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ typ: type, alg: algorithm, kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setJti(newId())
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + expiresIn)
      .sign(privateKey);
    return { token, issuedAt, expiresIn };
  }

  /**
   * Checks signature, type, issuer and times; the audience is for the caller to check. The key determines the algorithm. `crit` is
   * refused: "if any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS is invalid".
   */
  async verify(token: string, type: TokenType): Promise<Verified> {
    const { keys, issuer, now } = this.#ports;
    const { byId } = await keys.keys();
    try {
      const { payload } = await jwtVerify(
        token,
        ({ kid = '', alg, crit }) => {
          const key = byId.get(kid);
          if (key === undefined || key.algorithm !== alg || crit !== undefined) throw new errors.JWKSNoMatchingKey();
          return key.publicKey;
        },
        {
          algorithms: ['ES256', 'EdDSA'],
          typ: type,
          issuer,
          currentDate: new Date(now()),
          clockTolerance: LEEWAY_SECONDS,
          requiredClaims: ['aud', 'exp', 'nbf', 'iat', 'sub', 'jti'],
        },
      );
      return { kind: 'verified', payload };
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      return { kind: 'refused', reason: error.code };
    }
  }

  /** Whether a token claims to be from this registry. Nothing is verified. */
  isOurs(token: string): boolean {
    if (token.length > MAX_TOKEN_CHARACTERS) return false;
    try {
      return decodeJwt(token).iss === this.#ports.issuer;
    } catch (error) {
      if (error instanceof errors.JOSEError) return false;
      throw error;
    }
  }
}
