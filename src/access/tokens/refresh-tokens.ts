import { labelOf } from '../identity.ts';
import { type AccountVersions, isAccount } from './account-versions.ts';
import { type Held, readRefreshClaims, refreshClaimsOf } from './claims.ts';
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

  /** @returns undefined for a holder without a password: the token would outlive the proof of the holder's identity */
  async issue(held: Held): Promise<string | undefined> {
    if (!isAccount(held.holder)) return undefined;
    const { token } = await this.#ports.signer.sign(refreshClaimsOf(held), {
      type: 'marina-refresh+jwt',
      audience: this.#audience,
      subject: labelOf(held.holder),
      lifetime: this.#ports.lifetime,
    });
    return token;
  }

  /** The holder of a token; undefined if the token is not valid. */
  async redeem(token: string): Promise<Held | undefined> {
    const { signer, versions } = this.#ports;
    if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
    const verified = await signer.verify(token, 'marina-refresh+jwt');
    if (verified.kind === 'refused' || verified.payload.aud !== this.#audience) return undefined;
    const held = readRefreshClaims(verified.payload);
    return held !== undefined && isAccount(held.holder) && versions.isCurrent(held) ? held : undefined;
  }
}
