import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Authenticated, BasicAuthenticator, BearerAuthenticator, Maybe } from '../authenticator.ts';
import { issuerOf, isTokenLike, LEEWAY_SECONDS, refusalOf } from '../foreign-token.ts';
import type { Claims } from '../identity.ts';
import type { AccessRules } from '../rules/access-rules.ts';
import type { Issuer } from '../rules/issuer.ts';
import { VerifiedTokens } from '../verified-tokens.ts';
import { CachedKeys } from './cached-keys.ts';
import { ALGORITHMS, type KeySet } from './key-set.ts';

type Rules = Pick<AccessRules, 'issuers' | 'claimsNeeded'>;

export interface OidcTokensPorts {
  /** The rules that are in use; others after ACCESS_FILE has changed. */
  readonly rules: () => Rules;
  /** @throws KeyProblem */
  readonly load: (issuer: Issuer, signal: AbortSignal) => Promise<KeySet>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The monotonic clock, in milliseconds. */
  readonly monotonic: () => number;
  readonly logger: OidcLog;
}

interface OidcLog {
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
}

/** How long the keys of an issuer are used without another look. A file costs nothing to read. */
const FRESH_MS = 10 * 60_000;
const FRESH_FILE_MS = 10_000;
/** A token that was verified is verified again after this time: its key may have been withdrawn. */
const MAX_REMEMBERED_MS = 60 * 60_000;
/** Tokens of workloads live for minutes or hours. A longer one is a password that nobody can change. */
const MAX_LIFETIME_SECONDS = 24 * 60 * 60;
const MAX_SUBJECT_CHARACTERS = 1_024;

/** A token for another purpose, such as a logout token (OpenID Connect Back-Channel Logout 1.0), has a type of its own. */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt']);

interface Trusted {
  readonly issuer: Issuer;
  readonly keys: CachedKeys<KeySet>;
}

/** What one content of ACCESS_FILE says about tokens. */
interface InUse {
  readonly rules: Rules;
  /** By the `iss` of tokens. */
  readonly issuers: ReadonlyMap<string, Trusted>;
}

/** Tokens of the issuers in ACCESS_FILE, as Bearer or as the password of any user name. */
export class OidcTokens implements BasicAuthenticator, BearerAuthenticator {
  readonly #ports: OidcTokensPorts;
  readonly #verified: VerifiedTokens;
  #inUse: InUse | undefined;

  constructor(ports: OidcTokensPorts) {
    this.#ports = ports;
    this.#verified = new VerifiedTokens(ports.now);
  }

  basic(_user: string, password: string): Maybe<Authenticated | undefined> {
    return this.bearer(password);
  }

  bearer(token: string): Maybe<Authenticated | undefined> {
    if (!isTokenLike(token)) return undefined;
    const inUse = this.#current();
    const known = this.#verified.find(token, inUse);
    if (known !== undefined) return known;
    const iss = issuerOf(token);
    const trusted = iss === undefined ? undefined : inUse.issuers.get(iss);
    return trusted === undefined ? undefined : this.#verify(token, trusted, inUse);
  }

  async #verify(token: string, { issuer, keys }: Trusted, inUse: InUse): Promise<Authenticated> {
    const current = await keys.current();
    if (current === undefined) return { kind: 'refused', reason: `there are no keys of the issuer ${issuer.name}` };
    try {
      const payload = await this.#payloadOf(token, issuer, current, keys);
      return this.#accept(token, payload, issuer, inUse);
    } catch (error) {
      return { kind: 'refused', reason: `issuer ${issuer.name}: ${refusalOf(error)}` };
    }
  }

  /** @throws errors of jose */
  async #payloadOf(token: string, issuer: Issuer, current: KeySet, keys: CachedKeys<KeySet>): Promise<JWTPayload> {
    try {
      return await this.#payloadBy(token, issuer, current);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // The issuer may have a new key.
      const other = await keys.otherThan(current);
      if (other === undefined) throw error;
      return await this.#payloadBy(token, issuer, other);
    }
  }

  /**
   * The key decides the algorithm, and only `kid` of the header says which key it is: `jwk`, `jku`, `x5u` and `x5c` are not looked at.
   * `crit` is refused: "if any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS is invalid".
   */
  async #payloadBy(token: string, { issuer, audience }: Issuer, keys: KeySet): Promise<JWTPayload> {
    const { payload } = await jwtVerify(
      token,
      (header, jws) => {
        if (header.crit !== undefined) throw new errors.JOSENotSupported('crit');
        if (!isAcceptedType(header.typ)) throw new errors.JWTInvalid('typ');
        return keys(header, jws);
      },
      {
        algorithms: [...ALGORITHMS],
        issuer,
        audience,
        currentDate: new Date(this.#ports.now()),
        clockTolerance: LEEWAY_SECONDS,
        requiredClaims: ['iss', 'aud', 'sub', 'exp', 'iat'],
      },
    );
    return payload;
  }

  #accept(token: string, payload: JWTPayload, { name }: Issuer, inUse: InUse): Authenticated {
    const now = this.#ports.now();
    const checked = check(payload, now);
    if (typeof checked === 'string') return { kind: 'refused', reason: `issuer ${name}: ${checked}` };
    const { subject, exp } = checked;
    const claims = pick(payload, inUse.rules.claimsNeeded(name));
    const until = Math.min((exp + LEEWAY_SECONDS) * 1_000, now + MAX_REMEMBERED_MS);
    return this.#verified.remember(
      token,
      { kind: 'known', authority: { kind: 'identity', identity: { kind: 'oidc', issuer: name, subject, claims } } },
      { basis: inUse, until },
    );
  }

  #current(): InUse {
    const rules = this.#ports.rules();
    if (this.#inUse?.rules !== rules) this.#inUse = { rules, issuers: this.#trustedIn(rules) };
    return this.#inUse;
  }

  /** Keys of issuers that have not changed are kept. */
  #trustedIn({ issuers }: Rules): ReadonlyMap<string, Trusted> {
    return new Map(
      issuers.map((issuer) => {
        const before = this.#inUse?.issuers.get(issuer.issuer);
        const isSame = before !== undefined && JSON.stringify(before.issuer) === JSON.stringify(issuer);
        return [issuer.issuer, { issuer, keys: isSame ? before.keys : this.#keysOf(issuer) }];
      }),
    );
  }

  #keysOf(issuer: Issuer): CachedKeys<KeySet> {
    const { load, monotonic, logger } = this.#ports;
    return new CachedKeys({
      load: (signal) => load(issuer, signal),
      freshMs: issuer.jwks.kind === 'file' ? FRESH_FILE_MS : FRESH_MS,
      monotonic,
      onFailure: (reason, usesLast) => {
        const effect = usesLast ? 'its last keys stay in use' : 'its tokens are refused';
        logger.warn({ issuer: issuer.name, reason }, `the keys of an issuer cannot be loaded: ${effect}`);
      },
      onRecovery: () => logger.info({ issuer: issuer.name }, 'the keys of an issuer are loaded again'),
    });
  }
}

/** "It is RECOMMENDED that the "application/" prefix be omitted" (RFC 7519, section 5.1). Nothing about a header's values is certain. */
function isAcceptedType(type: unknown): boolean {
  return (
    type === undefined || (typeof type === 'string' && TYPES.has(type.toLowerCase().replace(/^application\//, '')))
  );
}

/** Checks what remains when signature, issuer, audience and times are right. @returns a text: what is wrong */
function check(
  { sub, exp, iat }: JWTPayload,
  now: number,
): { readonly subject: string; readonly exp: number } | string {
  if (exp === undefined || iat === undefined) return 'the token has no "exp" or no "iat"';
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_CHARACTERS) {
    return `the "sub" of the token is not a text of 1 to ${MAX_SUBJECT_CHARACTERS} characters`;
  }
  if (iat > now / 1_000 + LEEWAY_SECONDS) {
    return 'the token was issued in the future: compare the clock of its issuer with the one of this machine';
  }
  // True for every number but those that JavaScript has no finite form for.
  return exp - iat <= MAX_LIFETIME_SECONDS ? { subject: sub, exp } : 'the token is good for more than a day';
}

/** The claims that rules look at: a token may have many more, and the identity lives as long as it is remembered. */
function pick(payload: JWTPayload, names: readonly string[]): Claims {
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(payload, name) ? [[name, payload[name]]] : [])));
}
