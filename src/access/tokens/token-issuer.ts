import { RegistryError } from '../../oci/errors.ts';
import type { AccessPolicy, Caller } from '../access.ts';
import type { Authority } from '../authority.ts';
import { labelOf } from '../identity.ts';
import type { AccountVersions } from './account-versions.ts';
import type { Held } from './claims.ts';
import { formatGranted, grantScopes } from './grant.ts';
import type { OwnTokens } from './own-tokens.ts';
import type { RefreshTokens } from './refresh-tokens.ts';
import { MAX_SCOPE_CHARACTERS, MAX_SCOPES, parseScopes } from './scope.ts';
import type { Signed } from './signer.ts';

/** What a client asks for. */
export interface TokenRequest {
  /** Host by which it names this registry. */
  readonly service: string;
  /** The `scope` parameters as sent. */
  readonly scopes: readonly string[];
  /** Whether it wants a refresh token, too. */
  readonly offline: boolean;
}

export interface IssuedToken extends Signed {
  /** What the token allows, as a client would ask for it; empty: nothing but to be known. */
  readonly scope: string;
  readonly refreshToken: string | undefined;
}

export interface TokenIssuerPorts {
  readonly own: OwnTokens;
  readonly refresh: RefreshTokens;
  readonly versions: AccountVersions;
  readonly policy: AccessPolicy;
  /** Claims of an issuer's tokens that the rules look at: the others are left out of our tokens. */
  readonly claimsNeeded: (issuer: string) => readonly string[];
}

/** Decides what a token allows, and issues it. Who asks is known already. */
export class TokenIssuer {
  readonly #ports: TokenIssuerPorts;

  constructor(ports: TokenIssuerPorts) {
    this.#ports = ports;
  }

  /**
   * Issues a token that allows those of the scopes that the rules allow.
   * @param signal of the request
   * @throws RegistryError `request-invalid` for more scopes than a token can hold
   */
  async issue(
    held: Held,
    { service, scopes: asked, offline }: TokenRequest,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    const { own, refresh, policy } = this.#ports;
    const scopes = parseScopes(asked, service);
    if (scopes === undefined) throw tooManyScopes();
    const caller = callerFor(held, signal);
    const granted = grantScopes(scopes, {
      allows: (action, repo) => policy.allows(caller, action, repo),
      allowsRegistry: (action) => policy.allowsRegistry(caller, action),
    });
    const signed = await own.issue(held, granted, service);
    if (signed === undefined) throw tooManyScopes();
    return {
      ...signed,
      scope: formatGranted(granted),
      refreshToken: offline ? await refresh.issue(held) : undefined,
    };
  }

  /**
   * What a token for this caller carries. To be called right after the check of a password, which the token is tied to.
   * @returns undefined for a caller that has not logged in, but sent a token of a registry: a narrow token must stay narrow
   */
  hold({ kind, identity }: Authority): Held | undefined {
    if (kind !== 'identity') return undefined;
    const { versions, claimsNeeded } = this.#ports;
    switch (identity.kind) {
      case 'anonymous':
      case 'user':
      case 'robot':
      case 'certificate':
        return versions.held(identity);
      case 'oidc': {
        const needed = claimsNeeded(identity.issuer);
        const claims = Object.entries(identity.claims).filter(([name]) => needed.includes(name));
        return versions.held({ ...identity, claims: Object.fromEntries(claims) });
      }
      case 'token':
      case 'system':
      case 'operator':
        return undefined;
    }
  }

  /** Whose refresh token it is; undefined if it is no good. */
  async redeem(refreshToken: string): Promise<Held | undefined> {
    return await this.#ports.refresh.redeem(refreshToken);
  }
}

function callerFor({ holder }: Held, signal: AbortSignal): Caller {
  const label = labelOf(holder);
  return { actor: { id: label, label }, authority: { kind: 'identity', identity: holder }, signal };
}

function tooManyScopes(): RegistryError {
  return new RegistryError(
    'request-invalid',
    `a token is for at most ${MAX_SCOPES} scopes of ${MAX_SCOPE_CHARACTERS} characters in all: ask for fewer`,
  );
}
