import { labelOf } from '../identity.ts';
import { type AccountVersions, isAccount } from './account-versions.ts';
import { type BoundIdentity, readRefreshClaims, refreshClaimsOf } from './claims.ts';
import { MAX_TOKEN_CHARACTERS, type TokenSigner } from './signer.ts';

export interface RefreshTokensPorts {
  readonly signer: TokenSigner;
  readonly versions: AccountVersions;
  /** Lifetime of a token, in milliseconds. */
  readonly lifetime: number;
}

/**
 * Refresh tokens, with which a client gets access tokens without storing the password. They are signed and not stored: a token ends
 * when it expires, when its account's password changes, or when its account or signing key is removed.
 */
export class RefreshTokens {
  readonly #ports: RefreshTokensPorts;
  readonly #audience: string;

  constructor(ports: RefreshTokensPorts) {
    this.#ports = ports;
    this.#audience = `${ports.signer.issuer}:refresh`;
  }

  /** @returns undefined for an identity without a password: the token would outlive the proof of the identity */
  async issue(bound: BoundIdentity): Promise<string | undefined> {
    if (!isAccount(bound.identity)) return undefined;
    const { token } = await this.#ports.signer.sign(refreshClaimsOf(bound), {
      type: 'marina-refresh+jwt',
      audience: this.#audience,
      subject: labelOf(bound.identity),
      lifetime: this.#ports.lifetime,
    });
    return token;
  }

  /** The identity that a token is for; undefined if the token is not valid. */
  async redeem(token: string): Promise<BoundIdentity | undefined> {
    const { signer, versions } = this.#ports;
    if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
    const verified = await signer.verify(token, 'marina-refresh+jwt');
    if (verified.kind === 'refused' || verified.payload.aud !== this.#audience) return undefined;
    const bound = readRefreshClaims(verified.payload);
    return bound !== undefined && isAccount(bound.identity) && versions.isCurrent(bound) ? bound : undefined;
  }
}
