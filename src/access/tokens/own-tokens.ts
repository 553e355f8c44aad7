import { LRUCache } from 'lru-cache';
import type { Authenticated, BearerAuthenticator, MaybeAsync } from '../authenticator.ts';
import { labelOf } from '../identity.ts';
import type { AccountVersions } from './account-versions.ts';
import { accessClaimsOf, type BoundIdentity, readAccessClaims, type TokenIdentity } from './claims.ts';
import { type Granted, grantsOf } from './grant.ts';
import type { KeyRing } from './keys.ts';
import { LEEWAY_SECONDS, MAX_TOKEN_CHARACTERS, type Signed, type TokenSigner } from './signer.ts';

export interface OwnTokensPorts {
  readonly signer: TokenSigner;
  readonly keys: KeyRing;
  /** Whether this is a valid name of this registry, and therefore a valid audience of its tokens. */
  readonly isService: (service: string) => boolean;
  readonly versions: AccountVersions;
  readonly now: () => number;
  /** Lifetime of a token for this identity, in milliseconds. */
  readonly lifetimeOf: (identity: TokenIdentity) => number;
}

interface Known {
  /** The same object each time, because callers use it as a cache key. */
  readonly found: Extract<Authenticated, { kind: 'known' }>;
  readonly bound: BoundIdentity;
  /** Milliseconds since 1970. */
  readonly until: number;
  /** The keys that verified it. After they change it must be verified again. */
  readonly keys: KeyRing['current'];
}

/** Maximum number of cached verified tokens, and their maximum total length. */
const MAX_KNOWN = 10_000;
const MAX_KNOWN_CHARACTERS = 16 * 1024 * 1024;

const OUTDATED: Authenticated = { kind: 'refused', reason: 'the account was removed, or its password has changed' };

/** Access tokens that this registry issues. They have distribution's claims (spec/auth/jwt.md) and one claim of Marina's. */
export class OwnTokens implements BearerAuthenticator {
  readonly #ports: OwnTokensPorts;
  /**
   * By the token itself. Hashing it would take a fifth of the time of a pull from memory and protect nothing: an attacker who can read
   * this process's memory has its signing key.
   */
  readonly #known = new LRUCache<string, Known>({
    max: MAX_KNOWN,
    maxSize: MAX_KNOWN_CHARACTERS,
    sizeCalculation: (_, token) => token.length,
  });

  constructor(ports: OwnTokensPorts) {
    this.#ports = ports;
  }

  /**
   * Signs a token.
   * @param service the host that the client uses for this registry: the audience
   * @returns undefined if it would be too long for a header
   */
  async issue(bound: BoundIdentity, granted: Granted, service: string): Promise<Signed | undefined> {
    const { signer, lifetimeOf } = this.#ports;
    const signed = await signer.sign(accessClaimsOf(granted, bound), {
      type: 'JWT',
      audience: service,
      subject: labelOf(bound.identity),
      lifetime: lifetimeOf(bound.identity),
    });
    return signed.token.length > MAX_TOKEN_CHARACTERS ? undefined : signed;
  }

  bearer(token: string): MaybeAsync<Authenticated | undefined> {
    if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
    const known = this.#known.get(token);
    if (known !== undefined && known.keys === this.#ports.keys.current && this.#ports.now() < known.until) {
      return this.#ifCurrent(known);
    }
    return this.#ports.signer.isOurs(token) ? this.#verify(token) : undefined;
  }

  async #verify(token: string): Promise<Authenticated> {
    const { signer, isService } = this.#ports;
    const keys = this.#ports.keys.current;
    const verified = await signer.verify(token, 'JWT');
    if (verified.kind === 'refused') return verified;
    const { aud, exp = 0 } = verified.payload;
    if (typeof aud !== 'string' || !isService(aud))
      return { kind: 'refused', reason: 'the token is for another service' };
    const claims = readAccessClaims(verified.payload);
    if (claims === undefined) return { kind: 'refused', reason: 'the token has claims of another version of Marina' };
    const { granted, ...bound } = claims;
    const known: Known = {
      found: {
        kind: 'known',
        authority: { kind: 'own-token', identity: bound.identity, grants: grantsOf(granted) },
      },
      bound,
      until: (exp + LEEWAY_SECONDS) * 1000,
      keys,
    };
    this.#known.set(token, known);
    return this.#ifCurrent(known);
  }

  /** A token ends with the password with which it was obtained. */
  #ifCurrent({ found, bound }: Known): Authenticated {
    return this.#ports.versions.isCurrent(bound) ? found : OUTDATED;
  }
}
