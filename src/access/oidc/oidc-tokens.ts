import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { Authenticated, BasicAuthenticator, BearerAuthenticator, MaybeAsync } from '../authenticator.ts';
import { issuerOf, isTokenLike, LEEWAY_SECONDS, refusalOf } from '../foreign-token.ts';
import type { Identity } from '../identity.ts';
import type { AccessRules } from '../rules/access-rules.ts';
import type { Issuer } from '../rules/issuer.ts';
import { VerifiedTokens } from '../verified-tokens.ts';
import { ALGORITHMS, type KeySet } from './key-set.ts';
import type { IssuerKeys } from './keyring.ts';
import { pickClaims } from './pick-claims.ts';

export type OidcIdentity = Extract<Identity, { readonly kind: 'oidc' }>;

type Rules = Pick<AccessRules, 'issuers' | 'claimsNeeded'>;

export interface OidcTokensPorts {
  /** The current rules. They are another object after ACCESS_FILE has changed. */
  readonly rules: () => Rules;
  readonly keysOf: (issuer: Issuer) => IssuerKeys;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A token is verified again after this time, because its key may have been withdrawn. */
const MAX_REMEMBERED_MS = 60 * 60_000;
/** Tokens of workloads live for minutes or hours. A longer lifetime would make it a password that cannot be changed. */
const MAX_LIFETIME_SECONDS = 24 * 60 * 60;
const MAX_SUBJECT_CHARACTERS = 1_024;

/** A token for another purpose, such as a logout token (OpenID Connect Back-Channel Logout 1.0), has a type of its own. */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt']);

interface Trusted {
  readonly issuer: Issuer;
  readonly keys: IssuerKeys;
}

/** @property audience whom its token must be for */
interface TrustedFor extends Trusted {
  readonly audience: string;
}

/** The result of checking a token. */
type Checked =
  /** @property exp seconds since 1970 @property name by which the issuer calls the person, for the person only */
  | { readonly kind: 'known'; readonly identity: OidcIdentity; readonly exp: number; readonly name: string | undefined }
  | Extract<Authenticated, { readonly kind: 'refused' }>;

/** The rules and issuers of one version of ACCESS_FILE. */
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

  basic(_user: string, password: string): MaybeAsync<Authenticated | undefined> {
    return this.bearer(password);
  }

  bearer(token: string): MaybeAsync<Authenticated | undefined> {
    if (!isTokenLike(token)) return undefined;
    const inUse = this.#current();
    const known = this.#verified.find(token, inUse);
    if (known !== undefined) return known;
    const iss = issuerOf(token);
    const trusted = iss === undefined ? undefined : inUse.issuers.get(iss);
    return trusted === undefined ? undefined : this.#verify(token, trusted, inUse);
  }

  /**
   * Checks an ID token that an issuer gave to the client with which people log in at the page. It is checked like any other token, but
   * is for that client. It is not remembered, because nobody sends it twice.
   */
  async idToken(token: string, issuer: Issuer, audience: string): Promise<Checked> {
    const inUse = this.#current();
    const trusted = inUse.issuers.get(issuer.issuer);
    if (trusted === undefined || !isTokenLike(token)) return { kind: 'refused', reason: 'the answer has no ID token' };
    return await this.#check(token, { ...trusted, audience }, inUse);
  }

  async #verify(token: string, trusted: Trusted, inUse: InUse): Promise<Authenticated> {
    const checked = await this.#check(token, { ...trusted, audience: trusted.issuer.audience }, inUse);
    if (checked.kind === 'refused') return checked;
    const { identity, exp } = checked;
    const until = Math.min((exp + LEEWAY_SECONDS) * 1_000, this.#ports.now() + MAX_REMEMBERED_MS);
    return this.#verified.remember(
      token,
      { kind: 'known', authority: { kind: 'identity', identity } },
      { basis: inUse, until },
    );
  }

  async #check(token: string, { issuer, keys, audience }: TrustedFor, inUse: InUse): Promise<Checked> {
    const current = await keys.current();
    if (current === undefined) return { kind: 'refused', reason: `there are no keys of the issuer ${issuer.name}` };
    try {
      const payload = await this.#payloadOf(token, { issuer, keys, audience }, current);
      return this.#accept(payload, issuer, inUse);
    } catch (error) {
      return { kind: 'refused', reason: `issuer ${issuer.name}: ${refusalOf(error)}` };
    }
  }

  /** @throws errors of jose */
  async #payloadOf(token: string, trusted: TrustedFor, current: KeySet): Promise<JWTPayload> {
    try {
      return await this.#payloadBy(token, trusted, current);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // The issuer may have a new key.
      const other = await trusted.keys.otherThan(current);
      if (other === undefined) throw error;
      return await this.#payloadBy(token, trusted, other);
    }
  }

  /**
   * The key determines the algorithm, and only the header's `kid` selects the key: `jwk`, `jku`, `x5u` and `x5c` are ignored.
   * `crit` is refused: "if any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS is invalid".
   */
  async #payloadBy(token: string, { issuer, audience }: TrustedFor, keys: KeySet): Promise<JWTPayload> {
    const { payload } = await jwtVerify(
      token,
      (header, jws) => {
        if (header.crit !== undefined) throw new errors.JOSENotSupported('crit');
        if (!isAcceptedType(header.typ)) throw new errors.JWTInvalid('typ');
        return keys(header, jws);
      },
      {
        algorithms: [...ALGORITHMS],
        issuer: issuer.issuer,
        audience,
        currentDate: new Date(this.#ports.now()),
        clockTolerance: LEEWAY_SECONDS,
        requiredClaims: ['iss', 'aud', 'sub', 'exp', 'iat'],
      },
    );
    return payload;
  }

  #accept(payload: JWTPayload, { name }: Issuer, inUse: InUse): Checked {
    const checked = check(payload, this.#ports.now());
    if (typeof checked === 'string') return { kind: 'refused', reason: `issuer ${name}: ${checked}` };
    const { subject, exp } = checked;
    // A token may have many more claims, and the identity stays in memory as long as the token is cached.
    const claims = pickClaims(payload, inUse.rules.claimsNeeded(name));
    return { kind: 'known', identity: { kind: 'oidc', issuer: name, subject, claims }, exp, name: nameIn(payload) };
  }

  #current(): InUse {
    const rules = this.#ports.rules();
    if (this.#inUse?.rules !== rules) this.#inUse = { rules, issuers: this.#trustedIn(rules) };
    return this.#inUse;
  }

  /** Keeps the keys of issuers that have not changed. */
  #trustedIn({ issuers }: Rules): ReadonlyMap<string, Trusted> {
    return new Map(
      issuers.map((issuer) => {
        const before = this.#inUse?.issuers.get(issuer.issuer);
        const isSame = before !== undefined && JSON.stringify(before.issuer) === JSON.stringify(issuer);
        return [issuer.issuer, { issuer, keys: isSame ? before.keys : this.#ports.keysOf(issuer) }];
      }),
    );
  }
}

/** "It is RECOMMENDED that the "application/" prefix be omitted" (RFC 7519, section 5.1). Header values can have any type. */
function isAcceptedType(type: unknown): boolean {
  return (
    type === undefined || (typeof type === 'string' && TYPES.has(type.toLowerCase().replace(/^application\//, '')))
  );
}

const MAX_NAME_CHARACTERS = 60;

/** The claims of the scope `profile` (OpenID Connect Core 1.0, section 5.1). They identify nobody: people can often change them. */
function nameIn({ preferred_username: username, name }: JWTPayload): string | undefined {
  const given = [username, name].find((each) => typeof each === 'string' && each.trim() !== '');
  return typeof given === 'string' ? given.trim().slice(0, MAX_NAME_CHARACTERS).toWellFormed() : undefined;
}

/** Checks everything that `jwtVerify` does not. @returns a string if the token is refused: the reason */
function check(
  { sub, exp, iat }: JWTPayload,
  now: number,
): { readonly subject: string; readonly exp: number } | string {
  if (exp === undefined || iat === undefined) return 'the token has no "exp" or no "iat"';
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_CHARACTERS) {
    return `the "sub" of the token is not a text of 1 to ${MAX_SUBJECT_CHARACTERS} characters`;
  }
  if (iat > now / 1_000 + LEEWAY_SECONDS) {
    return 'the token was issued in the future: compare the clocks of its issuer and of this machine';
  }
  // JSON numbers such as 1e999 are infinite in JavaScript, and fail this comparison.
  return exp - iat <= MAX_LIFETIME_SECONDS ? { subject: sub, exp } : 'the token is valid for more than a day';
}
