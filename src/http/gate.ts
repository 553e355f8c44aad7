import { type AccessPolicy, type Actor, ANONYMOUS, type Caller, type RuleLookup } from '../access/access.ts';
import type { Authentication } from '../access/authentication.ts';
import type { Authenticated, Maybe, Origin } from '../access/authenticator.ts';
import {
  type Action,
  ANONYMOUS_AUTHORITY,
  type Authority,
  type RegistryAction,
  type Wanted,
} from '../access/authority.ts';
import { labelOf } from '../access/identity.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import { scopeOf, type TokenError, type TokenService, Unauthorized } from './challenge.ts';
import { parseAuthorization } from './credentials.ts';
import { hostOf, type PublicAddress } from './public-address.ts';
import type { RequiredAccess, Requirement } from './required-access.ts';
import { TOKEN_PATH } from './route.ts';

/** What the gate reads of a request. */
export interface GateRequest extends Origin {
  readonly id: string;
  readonly request: Request;
  /** What the client's certificate proves; undefined if it has shown none. */
  readonly certificate: Authenticated | undefined;
}

export type Identified = Pick<Caller, 'actor' | 'authority'>;

type Write = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Refusals are lines of the log. */
interface GateLog {
  readonly info: Write;
  readonly warn: Write;
}

export interface GatePorts {
  readonly authentication: Pick<Authentication, 'basic' | 'bearer'>;
  readonly policy: AccessPolicy;
  /** Names the rules in the log. */
  readonly rules: RuleLookup;
  readonly publicAddress: PublicAddress;
  /** The token server of the AUTH_TOKEN settings; undefined: this registry issues its tokens itself. */
  readonly tokenServer?: TokenService | undefined;
  readonly logger: GateLog;
}

const CREDENTIALS_WRONG = 'the credentials are wrong, or they are no longer valid';
const CERTIFICATE_WRONG =
  'the client certificate is not accepted: it has expired, or TLS_CLIENT_CA_FILE does not verify it';

const NOBODY: Identified = { actor: ANONYMOUS, authority: ANONYMOUS_AUTHORITY };

/**
 * Finds out who sends a request and whether it may be served, before anything is looked up for it. There is no gate in a registry
 * without accounts.
 */
export class Gate {
  readonly #ports: GatePorts;
  /** Authenticators return the same object for a caller that they remember. */
  readonly #actors = new WeakMap<Authority, Identified>();

  constructor(ports: GatePorts) {
    this.#ports = ports;
  }

  /**
   * Checks the credentials once, at the start of a request: a token that expires while a body is read stays good for it. A request
   * with credentials that are wrong is refused even where anonymous callers would be served.
   * @param required what a challenge asks for
   * @returns a promise only if the credentials must be computed or fetched
   * @throws Unauthorized; RegistryError `too-many-requests`
   */
  identify(from: GateRequest, required: RequiredAccess | undefined): Maybe<Identified> {
    const { authentication } = this.#ports;
    const credentials = parseAuthorization(from.request.headers.get('authorization'));
    switch (credentials.kind) {
      case 'none': {
        const { certificate } = from;
        return certificate === undefined
          ? NOBODY
          : this.#accept(certificate, undefined, from, required, CERTIFICATE_WRONG);
      }
      case 'malformed':
        return this.#accept({ kind: 'refused', reason: credentials.reason }, undefined, from, required);
      case 'basic': {
        const found = authentication.basic(credentials.user, credentials.password, from);
        return found instanceof Promise
          ? inTime(found).then((each) => this.#accept(each, undefined, from, required))
          : this.#accept(found, undefined, from, required);
      }
      case 'bearer': {
        const found = authentication.bearer(credentials.token, from);
        return found instanceof Promise
          ? inTime(found).then((each) => this.#accept(each, 'invalid_token', from, required))
          : this.#accept(found, 'invalid_token', from, required);
      }
      default:
        return unreachable(credentials);
    }
  }

  /**
   * Whether the caller may have its request served. Where it returns though the caller may not read, the registry behind it
   * (AccessControl) answers that the repository does not exist, and the client gets what it would get if that were so.
   * @returns number of the rule that allows the request, for the log; undefined if no rule does
   * @throws Unauthorized; RegistryError `denied`
   */
  admit(required: RequiredAccess | undefined, caller: Caller, from: GateRequest): number | undefined {
    // A kind of request that has no row: nobody may send it.
    if (required === undefined) throw new RegistryError('denied', 'this registry does not allow such requests');
    const { policy, rules } = this.#ports;
    const missing = required.requirements.find((each) => !isMet(each, caller, policy));
    if (missing === undefined) return ruleOf(required.requirements[0], (wanted) => rules.allowing(caller, wanted));
    const refusal = refusalOf(caller.authority, required);
    // That is how a client begins, before it sends what it has: the line of the request says enough.
    if (refusal === 'challenge') throw new Unauthorized('log in to do this', challengeOf(required, undefined));
    this.#ports.logger.info(
      {
        requestId: from.id,
        client: from.address,
        actor: caller.actor.label,
        ...describe(missing),
        nearestRule: ruleOf(missing, (wanted) => rules.nearest(caller, wanted)),
      },
      'a request was refused',
    );
    switch (refusal) {
      case 'wider-token':
        throw new Unauthorized(`${messageOf(missing)} with this token`, challengeOf(required, 'insufficient_scope'));
      case 'denied':
        throw new RegistryError('denied', messageOf(missing));
      case 'hidden':
        return undefined;
      default:
        return unreachable(refusal);
    }
  }

  /** Where the client of this request gets tokens. @param peer address at the other end of the connection */
  tokenService(peer: string | undefined, request: Request): TokenService {
    const { tokenServer, publicAddress } = this.#ports;
    if (tokenServer !== undefined) return tokenServer;
    const base = publicAddress.absolute(peer, request);
    // Without a host that can be believed only a relative address is right, which some clients understand.
    return base === undefined
      ? { realm: TOKEN_PATH, service: 'registry' }
      : { realm: base + TOKEN_PATH, service: hostOf(base) };
  }

  #accept(
    found: Authenticated,
    error: TokenError | undefined,
    from: GateRequest,
    required: RequiredAccess | undefined,
    message = CREDENTIALS_WRONG,
  ): Identified {
    switch (found.kind) {
      case 'known':
        return this.#identified(found.authority);
      case 'refused':
        this.#ports.logger.warn(
          { requestId: from.id, client: from.address, account: found.account, reason: found.reason },
          'credentials were refused',
        );
        throw new Unauthorized(message, challengeOf(required, error));
      case 'later':
        throw new RegistryError('too-many-requests', 'too many log-ins failed, or too many are in progress: wait', {
          retryAfter: found.retryAfterSeconds,
        });
      default:
        return unreachable(found);
    }
  }

  #identified(authority: Authority): Identified {
    const known = this.#actors.get(authority);
    if (known !== undefined) return known;
    const label = labelOf(authority.identity);
    const actor: Actor = { id: label, label };
    const identified = { actor, authority };
    this.#actors.set(authority, identified);
    return identified;
  }
}

/** Authenticators have deadlines of their own, which are shorter. */
const IDENTIFY_MS = 30_000;
const TOO_LATE: Authenticated = { kind: 'later', retryAfterSeconds: 5 };

async function inTime(found: Promise<Authenticated>): Promise<Authenticated> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Authenticated>((resolve) => {
    timer = setTimeout(() => resolve(TOO_LATE), IDENTIFY_MS);
  });
  try {
    return await Promise.race([found, late]);
  } finally {
    clearTimeout(timer);
  }
}

function isMet(requirement: Requirement, caller: Caller, policy: AccessPolicy): boolean {
  switch (requirement.kind) {
    case 'repository':
      return policy.allows(caller, requirement.action, requirement.repo);
    case 'registry':
      return policy.allowsRegistry(caller, requirement.action);
    // A token for an anonymous caller is one, too: its holder has asked for it.
    case 'identity':
      return caller.authority.kind !== 'identity' || caller.authority.identity.kind !== 'anonymous';
  }
}

function ruleOf(
  requirement: Requirement | undefined,
  find: (wanted: Wanted) => number | undefined,
): number | undefined {
  return requirement === undefined || requirement.kind === 'identity' ? undefined : find(requirement);
}

type Refusal = 'challenge' | 'wider-token' | 'denied' | 'hidden';

/** How a caller is told. It depends on nothing that is stored. */
function refusalOf({ kind, identity }: Authority, required: RequiredAccess): Refusal {
  // Clients then ask for a token with the scope of the challenge.
  if (kind !== 'identity') return 'wider-token';
  return identity.kind === 'anonymous' ? 'challenge' : required.refusal;
}

function challengeOf(required: RequiredAccess | undefined, error: TokenError | undefined) {
  return { scope: required === undefined ? undefined : scopeOf([...required.requirements, ...required.wishes]), error };
}

const ON_REPOSITORY: Readonly<Record<Action, string>> = {
  pull: 'pull from',
  push: 'push to',
  create: 'push to',
  delete: 'delete from',
};

const ON_REGISTRY: Readonly<Record<RegistryAction, string>> = {
  catalog: 'list the repositories',
  metrics: 'read the metrics',
  admin: 'administer this registry',
};

function messageOf(requirement: Requirement): string {
  switch (requirement.kind) {
    case 'repository':
      return `you may not ${ON_REPOSITORY[requirement.action]} ${requirement.repo}`;
    case 'registry':
      return `you may not ${ON_REGISTRY[requirement.action]}`;
    case 'identity':
      return 'log in first';
  }
}

function describe(requirement: Requirement): Readonly<Record<string, string>> {
  switch (requirement.kind) {
    case 'repository':
      return { action: requirement.action, repository: requirement.repo };
    case 'registry':
      return { action: requirement.action };
    case 'identity':
      return { action: 'log in' };
  }
}
