import { RegistryError } from '../../oci/errors.ts';
import type { AccessPolicy, Caller } from '../access.ts';
import type { Authority } from '../authority.ts';
import { labelOf } from '../identity.ts';
import type { AccountVersions } from './account-versions.ts';
import type { BoundIdentity } from './claims.ts';
import { formatGranted, grantScopes } from './grant.ts';
import type { OwnTokens } from './own-tokens.ts';
import type { RefreshTokens } from './refresh-tokens.ts';
import { MAX_SCOPE_CHARACTERS, MAX_SCOPES, parseScopes } from './scope.ts';
import type { Signed } from './signer.ts';

/** A client's request for a token. */
export interface TokenRequest {
  /** The host that it uses for this registry. */
  readonly service: string;
  /** The `scope` parameters as sent. */
  readonly scopes: readonly string[];
  /** Whether it also wants a refresh token. */
  readonly offline: boolean;
}

export interface IssuedToken extends Signed {
  /** The granted scopes; empty if the token only proves the identity. */
  readonly scope: string;
  readonly refreshToken: string | undefined;
}

export interface TokenIssuerPorts {
  readonly own: OwnTokens;
  readonly refresh: RefreshTokens;
  readonly versions: AccountVersions;
  readonly policy: AccessPolicy;
  /** Claims of an issuer's tokens that rules examine. Only these are copied into Marina's tokens. */
  readonly claimsNeeded: (issuer: string) => readonly string[];
}

/** Issues tokens to authenticated callers, with the scopes that the rules allow. */
export class TokenIssuer {
  readonly #ports: TokenIssuerPorts;

  constructor(ports: TokenIssuerPorts) {
    this.#ports = ports;
  }

  /**
   * Issues a token with those of the requested scopes that the rules allow.
   * @param signal of the request
   * @throws RegistryError `request-invalid` for more scopes than a token can hold
   */
  async issue(
    bound: BoundIdentity,
    { service, scopes: requested, offline }: TokenRequest,
    signal: AbortSignal,
  ): Promise<IssuedToken> {
    const { own, refresh, policy } = this.#ports;
    const scopes = parseScopes(requested, service);
    if (scopes === undefined) throw tooManyScopes();
    const caller = callerFor(bound, signal);
    const granted = grantScopes(scopes, {
      allows: (action, repo) => policy.allows(caller, action, repo),
      allowsRegistry: (action) => policy.allowsRegistry(caller, action),
    });
    const signed = await own.issue(bound, granted, service);
    if (signed === undefined) throw tooManyScopes();
    return {
      ...signed,
      scope: formatGranted(granted),
      refreshToken: offline ? await refresh.issue(bound) : undefined,
    };
  }

  /**
   * The identity that a token for this caller is bound to. Must be called right after the password check, because the token is bound to the password.
   * @returns undefined for a caller that authenticated with a registry token, because a narrow token must not yield a wider one
   */
  bind({ kind, identity }: Authority): BoundIdentity | undefined {
    if (kind !== 'identity') return undefined;
    const { versions, claimsNeeded } = this.#ports;
    switch (identity.kind) {
      case 'anonymous':
      case 'user':
      case 'robot':
      case 'certificate':
        return versions.bind(identity);
      case 'oidc': {
        const needed = claimsNeeded(identity.issuer);
        const claims = Object.entries(identity.claims).filter(([name]) => needed.includes(name));
        return versions.bind({ ...identity, claims: Object.fromEntries(claims) });
      }
      case 'token':
      case 'system':
      case 'operator':
        return undefined;
    }
  }

  /** The identity that a refresh token is for; undefined if the token is not valid. */
  async redeem(refreshToken: string): Promise<BoundIdentity | undefined> {
    return await this.#ports.refresh.redeem(refreshToken);
  }
}

function callerFor({ identity }: BoundIdentity, signal: AbortSignal): Caller {
  const label = labelOf(identity);
  return { actor: { id: label, label }, authority: { kind: 'identity', identity }, signal };
}

function tooManyScopes(): RegistryError {
  return new RegistryError(
    'request-invalid',
    `a token is for at most ${MAX_SCOPES} scopes of ${MAX_SCOPE_CHARACTERS} characters in all: ask for fewer`,
  );
}
