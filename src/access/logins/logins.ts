import { LRUCache } from 'lru-cache';
import type { Authority } from '../authority.ts';
import { labelOf } from '../identity.ts';
import type { AccountVersions } from '../tokens/account-versions.ts';
import { type BoundIdentity, readRefreshClaims, refreshClaimsOf } from '../tokens/claims.ts';
import type { KeyRing } from '../tokens/keys.ts';
import { MAX_TOKEN_CHARACTERS, type TokenSigner } from '../tokens/signer.ts';
import type { EndedLogins } from './ended-logins.ts';

export interface LoginsPorts {
  readonly signer: TokenSigner;
  readonly keys: KeyRing;
  readonly versions: AccountVersions;
  /** The URL of an issuer in ACCESS_FILE, by its name; undefined if it is not there. */
  readonly issuerUrlOf: (name: string) => string | undefined;
  readonly ended: EndedLogins;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Of a log-in, in milliseconds. */
  readonly lifetime: number;
}

/** A log-in of a person at the page. */
export interface Login {
  readonly id: string;
  /** The name that the page shows for the person; undefined if only the identity is known. It proves nothing. */
  readonly name: string | undefined;
  /** The same object each time, because callers use it as a cache key. */
  readonly authority: Authority;
}

interface Known extends Login {
  readonly bound: BoundIdentity;
  /** Seconds since 1970. */
  readonly expires: number;
  /** The keys that verified it. After they change it must be verified again. */
  readonly keys: KeyRing['current'];
}

/** Verified tokens that are remembered. */
const MAX_KNOWN = 1_000;

/**
 * Log-ins at the page. Each is a signed token in a cookie, so that every node and thread accepts it, also after a restart. What it allows
 * is decided by today's rules at each request. It ends when it expires, when the person logs out, when the account's password changes, or
 * when the account, the issuer or the signing key is removed.
 */
export class Logins {
  readonly #ports: LoginsPorts;
  readonly #audience: string;
  readonly #known = new LRUCache<string, Known>({ max: MAX_KNOWN });

  constructor(ports: LoginsPorts) {
    this.#ports = ports;
    this.#audience = `${ports.signer.issuer}:page`;
  }

  /** Signs the token of a new log-in. @param name by which the page calls the person */
  async begin(bound: BoundIdentity, name?: string): Promise<string> {
    const { signer, lifetime } = this.#ports;
    const { token } = await signer.sign(
      { ...refreshClaimsOf({ ...bound, version: this.#versionFor(bound) }), name },
      {
        type: 'marina-login+jwt',
        audience: this.#audience,
        subject: labelOf(bound.identity),
        lifetime,
      },
    );
    return token;
  }

  /**
   * @returns undefined if the token is not one of a log-in that lasts
   * @throws Unanswered if the store does not say whether it has ended
   */
  async find(token: string): Promise<Login | undefined> {
    const known = await this.#verified(token);
    if (known === undefined || !this.#isCurrent(known.bound)) return undefined;
    return (await this.#ports.ended.has(known)) ? undefined : known;
  }

  /** Ends a log-in on every node. A token that is not valid is ignored. @throws Unanswered if it may still last */
  async end(token: string): Promise<void> {
    const known = await this.#verified(token);
    if (known !== undefined) await this.#ports.ended.add(known);
  }

  /** An identity of an issuer has no password. Its log-in lasts as long as ACCESS_FILE has the issuer with the same URL. */
  #versionFor({ identity, version }: BoundIdentity): string | undefined {
    return identity.kind === 'oidc' ? this.#ports.issuerUrlOf(identity.issuer) : version;
  }

  #isCurrent(bound: BoundIdentity): boolean {
    const { identity, version } = bound;
    return identity.kind === 'oidc'
      ? version !== undefined && version === this.#versionFor(bound)
      : this.#ports.versions.isCurrent(bound);
  }

  async #verified(token: string): Promise<Known | undefined> {
    const { signer, keys, now } = this.#ports;
    if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
    const { current } = keys;
    const remembered = this.#known.get(token);
    // Without the leeway that clients of tokens get: the clock that counts is the registry's.
    if (remembered?.keys === current) return remembered.expires * 1000 > now() ? remembered : undefined;
    const verified = await signer.verify(token, 'marina-login+jwt');
    if (verified.kind === 'refused') return undefined;
    const { aud, exp = 0, jti, name } = verified.payload;
    const bound = readRefreshClaims(verified.payload);
    if (aud !== this.#audience || bound === undefined || jti === undefined || exp * 1000 <= now()) return undefined;
    const { identity } = bound;
    const known: Known = {
      ...{ id: jti, authority: { kind: 'identity', identity }, bound, expires: exp, keys: current },
      name: typeof name === 'string' ? name : undefined,
    };
    this.#known.set(token, known);
    return known;
  }
}
