import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Authenticated, BearerAuthenticator, MaybeAsync } from '../authenticator.ts';
import { issuerOf, isTokenLike, LEEWAY_SECONDS, refusalOf } from '../foreign-token.ts';
import { VerifiedTokens } from '../verified-tokens.ts';
import { readAccess } from './access-claim.ts';
import type { Trust } from './trust.ts';

export interface ServerTokensPorts {
  /** `iss` of the tokens. */
  readonly issuer: string;
  /** The token server's name for this registry. `aud` must be or contain it. */
  readonly service: string;
  /** The current keys. They are another object after a file has changed. */
  readonly trust: () => Trust;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A token is verified again after this time, because its certificate may have expired. */
const MAX_REMEMBERED_MS = 60 * 60_000;

/** Tokens of the token server that the AUTH_TOKEN settings name. They are verified as distribution does it (registry/auth/token). */
export class ServerTokens implements BearerAuthenticator {
  readonly #ports: ServerTokensPorts;
  readonly #verified: VerifiedTokens;

  constructor(ports: ServerTokensPorts) {
    this.#ports = ports;
    this.#verified = new VerifiedTokens(ports.now);
  }

  bearer(token: string): MaybeAsync<Authenticated | undefined> {
    if (!isTokenLike(token)) return undefined;
    const trust = this.#ports.trust();
    const known = this.#verified.find(token, trust);
    if (known !== undefined) return known;
    return issuerOf(token) === this.#ports.issuer ? this.#verify(token, trust) : undefined;
  }

  async #verify(token: string, trust: Trust): Promise<Authenticated> {
    try {
      return this.#accept(token, await this.#payloadOf(token, trust), trust);
    } catch (error) {
      return { kind: 'refused', reason: error instanceof UntrustedKey ? error.message : refusalOf(error) };
    }
  }

  /** @throws UntrustedKey; errors of jose */
  async #payloadOf(token: string, trust: Trust): Promise<JWTPayload> {
    const { issuer, service, now } = this.#ports;
    const { payload } = await jwtVerify(
      token,
      (header) => {
        // "If any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS is invalid".
        if (header.crit !== undefined) throw new errors.JOSENotSupported('crit');
        const found = trust.keyOf(header, now());
        if (typeof found === 'string') throw new UntrustedKey(found);
        if (!found.algorithms.includes(header.alg)) throw new errors.JOSEAlgNotAllowed('alg');
        return found.key;
      },
      {
        issuer,
        audience: service,
        currentDate: new Date(now()),
        clockTolerance: LEEWAY_SECONDS,
        requiredClaims: ['exp'],
      },
    );
    return payload;
  }

  #accept(token: string, { sub = '', exp, access }: JWTPayload, trust: Trust): Authenticated {
    const grants = readAccess(access);
    if (grants === undefined) return { kind: 'refused', reason: 'the "access" of the token is malformed' };
    if (typeof sub !== 'string') return { kind: 'refused', reason: 'the "sub" of the token is not a string' };
    const until = Math.min(((exp ?? 0) + LEEWAY_SECONDS) * 1_000, this.#ports.now() + MAX_REMEMBERED_MS);
    return this.#verified.remember(
      token,
      { kind: 'known', authority: { kind: 'server-token', identity: { kind: 'token', subject: sub }, grants } },
      { basis: trust, until },
    );
  }
}

/** A token is signed with a key that is not trusted. */
class UntrustedKey extends Error {
  override readonly name = 'UntrustedKey';
}
