import { LRUCache } from 'lru-cache';
import { clientOf } from '../client-address.ts';
import { CachedDocument } from '../oidc/cached-document.ts';
import { readClientSecret } from '../oidc/client-secret.ts';
import { authorizationAddress, newProofs, redeemCode } from '../oidc/code-flow.ts';
import { IssuerProblem } from '../oidc/issuer-problem.ts';
import type { OidcIdentity, OidcTokens } from '../oidc/oidc-tokens.ts';
import { loadProvider, type Provider } from '../oidc/provider.ts';
import type { AccessRules } from '../rules/access-rules.ts';
import type { Issuer, WebClient } from '../rules/issuer.ts';
import type { PendingLogin, PendingLogins } from './pending-logins.ts';

type Write = (fields: object, message: string) => void;

export interface IssuerLoginsPorts {
  /** The current rules. */
  readonly rules: () => Pick<AccessRules, 'issuers'>;
  readonly tokens: Pick<OidcTokens, 'idToken'>;
  readonly pending: PendingLogins;
  /** The monotonic clock, in milliseconds. */
  readonly monotonic: () => number;
  readonly logger: { readonly info: Write; readonly warn: Write; readonly error: Write };
}

export type Begun =
  /** @property address at the issuer @property token of the log-in, for a cookie */
  | { readonly kind: 'begun'; readonly address: string; readonly token: string }
  /** No such issuer has a web client. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unavailable' };

export type Finished =
  /** @property name by which the issuer calls the person @property to the page that follows */
  | {
      readonly kind: 'known';
      readonly identity: OidcIdentity;
      readonly name: string | undefined;
      readonly to: string;
    }
  /** The log-in did not begin in this browser, or it is too old. */
  | { readonly kind: 'stale' }
  /** The issuer says that it refuses. Both texts are any texts of the issuer. */
  | {
      readonly kind: 'denied';
      readonly error: string;
      readonly description: string | undefined;
      readonly to: string;
    }
  /** The answer of the issuer is not accepted. @property reason for the log */
  | { readonly kind: 'refused'; readonly reason: string; readonly to: string }
  /** @property reason for the log */
  | { readonly kind: 'unavailable'; readonly reason: string; readonly to: string }
  /** Too many log-ins wait for an issuer. The code is not used up: the same answer can be sent again. */
  | { readonly kind: 'busy'; readonly to: string };

const FRESH_MS = 10 * 60_000;
/** Of the current rules, and of earlier ones. */
const MAX_PROVIDERS = 100;
/** For the exchange of the code. */
const DEADLINE_MS = 10_000;
/** Anyone can begin a log-in and come back with any code, and each is a request to the issuer. Of one client there are fewer at a time. */
const [MAX_REDEEMING, MAX_OF_CLIENT] = [16, 4];

interface Known {
  readonly issuer: Issuer;
  readonly web: WebClient;
  readonly provider: CachedDocument<Provider>;
}

/** Log-ins of people at an issuer of ACCESS_FILE: OpenID Connect's authorization code flow with PKCE. */
export class IssuerLogins {
  readonly #ports: IssuerLoginsPorts;
  readonly #providers = new LRUCache<string, CachedDocument<Provider>>({ max: MAX_PROVIDERS });
  /** The client of each log-in that waits for an issuer. */
  readonly #redeeming: string[] = [];

  constructor(ports: IssuerLoginsPorts) {
    this.#ports = ports;
  }

  /** The issuers with which people can log in. */
  get names(): readonly string[] {
    return this.#ports.rules().issuers.flatMap(({ name, web }) => (web === undefined ? [] : [name]));
  }

  /** Begins a log-in. @param pending without proofs */
  async begin(pending: Omit<PendingLogin, 'proofs'>): Promise<Begun> {
    const known = this.#find(pending.issuer);
    if (known === undefined) return { kind: 'unknown' };
    const provider = await known.provider.current();
    if (provider === undefined) return { kind: 'unavailable' };
    const proofs = newProofs();
    return {
      kind: 'begun',
      address: await authorizationAddress(provider, known.web, proofs, pending.redirectUri),
      token: await this.#ports.pending.sign({ ...pending, proofs }),
    };
  }

  /**
   * Finishes a log-in.
   * @param name of the issuer whose address the browser came back to
   * @param token of the browser's cookie; undefined if it has none
   * @param parameters with which the browser came back
   * @param address of the client, as far as it is known
   */
  async finish(
    name: string,
    token: string | undefined,
    parameters: URLSearchParams,
    address: string | undefined,
  ): Promise<Finished> {
    const pending = token === undefined ? undefined : await this.#ports.pending.read(token);
    const known = this.#find(name);
    // Answers of one issuer could be passed off as another's, so each has an address of its own (RFC 9700, section 4.4).
    if (pending === undefined || known === undefined || pending.issuer !== name) return { kind: 'stale' };
    if (parameters.get('state') !== pending.proofs.state) return { kind: 'stale' };
    const { to } = pending;
    const client = clientOf(address);
    const own = this.#redeeming.filter((each) => each === client);
    if (this.#redeeming.length >= MAX_REDEEMING || own.length >= MAX_OF_CLIENT) return { kind: 'busy', to };
    this.#redeeming.push(client);
    try {
      return await this.#redeem(known, pending, parameters);
    } catch (error) {
      if (!(error instanceof IssuerProblem)) throw error;
      return { kind: 'unavailable', reason: `issuer ${name}: ${error.message}`, to };
    } finally {
      this.#redeeming.splice(this.#redeeming.indexOf(client), 1);
    }
  }

  async #redeem(known: Known, pending: PendingLogin, parameters: URLSearchParams): Promise<Finished> {
    const { issuer, web: client } = known;
    const { proofs, redirectUri, to } = pending;
    const provider = await known.provider.current();
    if (provider === undefined) throw new IssuerProblem('its endpoints are not known');
    const secret = await readClientSecret(client);
    const request = { provider, client, secret, proofs, redirectUri };
    const answer = await redeemCode(request, parameters, AbortSignal.timeout(DEADLINE_MS));
    switch (answer.kind) {
      case 'denied':
        return { ...answer, to };
      case 'refused':
        return { kind: 'refused', reason: `issuer ${issuer.name}: ${answer.reason}`, to };
      case 'token': {
        const checked = await this.#ports.tokens.idToken(answer.idToken, issuer, client.clientId);
        return checked.kind === 'refused'
          ? { kind: 'refused', reason: checked.reason, to }
          : { kind: 'known', identity: checked.identity, name: checked.name, to };
      }
    }
  }

  #find(name: string): Known | undefined {
    const issuer = this.#ports.rules().issuers.find((each) => each.name === name);
    if (issuer?.web === undefined) return undefined;
    const provider = this.#providers.get(issuer.issuer) ?? this.#open(issuer);
    this.#providers.set(issuer.issuer, provider);
    return { issuer, web: issuer.web, provider };
  }

  #open(issuer: Issuer): CachedDocument<Provider> {
    const { monotonic, logger } = this.#ports;
    const { name } = issuer;
    return new CachedDocument({
      load: (signal) => loadProvider(issuer, signal),
      freshMs: FRESH_MS,
      monotonic,
      onFailure: (reason, usesLast) => {
        const effect = usesLast ? 'its last ones stay in use' : 'people cannot log in with it';
        logger.warn({ issuer: name, reason }, `the endpoints of an issuer cannot be loaded: ${effect}`);
      },
      onRecovery: () => logger.info({ issuer: name }, 'the endpoints of an issuer are loaded again'),
      onDefect: (error) => logger.error({ issuer: name, err: error }, 'loading the endpoints of an issuer failed'),
    });
  }
}
