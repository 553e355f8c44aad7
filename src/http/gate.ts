import { type AccessPolicy, type Actor, ANONYMOUS, type Caller, type RuleLookup } from '../access/access.ts';
import type { Authentication } from '../access/authentication.ts';
import type { Authenticated, MaybeAsync, Origin } from '../access/authenticator.ts';
import {
  type Action,
  ANONYMOUS_AUTHORITY,
  type Authority,
  type Permission,
  type RegistryAction,
} from '../access/authority.ts';
import { labelOf } from '../access/identity.ts';
import type { Login, Logins } from '../access/logins/logins.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import { scopeOf, type TokenError, type TokenService, Unauthorized } from './challenge.ts';
import { parseAuthorization } from './credentials.ts';
import { hostOf, type PublicAddress } from './public-address.ts';
import { RememberedHeaders } from './remembered-headers.ts';
import type { RequiredAccess, Requirement } from './requirement.ts';
import { TOKEN_PATH } from './route.ts';

/** The parts of a request that the gate needs. */
export interface GateRequest extends Origin {
  readonly id: string;
  readonly request: Request;
  /** What the client's certificate proves; undefined if it presented none. */
  readonly certificate: Authenticated | undefined;
  /** The cookie of a log-in at the page; undefined for requests of the API. */
  readonly loginToken: string | undefined;
}

export interface Identified extends Pick<Caller, 'actor' | 'authority'> {
  /** The id of the log-in that proves the identity, if one does. */
  readonly login?: string;
  /** The name that the page shows for the person; undefined: it shows the identity. */
  readonly loginName?: string | undefined;
}

type Write = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Where refusals are logged. */
interface GateLog {
  readonly info: Write;
  readonly warn: Write;
}

export interface GatePorts {
  readonly authentication: Pick<Authentication, 'basic' | 'bearer'>;
  readonly policy: AccessPolicy;
  /** Finds the rule for the log. */
  readonly rules: RuleLookup;
  readonly publicAddress: PublicAddress;
  /** The token server of the AUTH_TOKEN settings; undefined: this registry issues its tokens itself. */
  readonly tokenServer?: TokenService | undefined;
  /** undefined if nobody can log in at the page. */
  readonly logins?: Pick<Logins, 'find'> | undefined;
  readonly logger: GateLog;
  /** Called before any credentials are checked. @returns a promise if this thread must first read what another one already knows */
  readonly catchUp?: () => Promise<void> | undefined;
}

const CREDENTIALS_WRONG = 'the credentials are wrong or no longer valid';
const CERTIFICATE_WRONG =
  'the client certificate is not accepted: it has expired, or TLS_CLIENT_CA_FILE does not verify it';

/** The beginning of a header with Basic credentials. Verified tokens are cached by their authenticators. */
const BASIC = /^basic /i;

const WITHOUT_CREDENTIALS: Identified = { actor: ANONYMOUS, authority: ANONYMOUS_AUTHORITY };

/**
 * Authenticates the caller of a request and decides whether the request may be served, before anything is looked up. A registry
 * without access control has no gate.
 */
export class Gate {
  readonly #ports: GatePorts;
  /** Keyed by authority, because authenticators return the same object for a cached caller. */
  readonly #actors = new WeakMap<Authority, Identified>();
  readonly #basic = new RememberedHeaders<Identified>();

  constructor(ports: GatePorts) {
    this.#ports = ports;
  }

  /**
   * Checks the credentials once, at the start of a request, so a token may expire while the body is read. Wrong credentials are
   * refused even where anonymous callers are allowed.
   * @param required the access that a challenge names
   * @returns a promise only if the credentials are not cached
   * @throws Unauthorized; RegistryError `too-many-requests`
   */
  identify(from: GateRequest, required: RequiredAccess | undefined): MaybeAsync<Identified> {
    const { catchUp } = this.#ports;
    const catchingUp = catchUp?.();
    return catchingUp === undefined
      ? this.#identify(from, required)
      : catchingUp.then(() => this.#identify(from, required));
  }

  #identify(from: GateRequest, required: RequiredAccess | undefined): MaybeAsync<Identified> {
    const { authentication } = this.#ports;
    const header = from.request.headers.get('authorization');
    const remembered = header !== null && BASIC.test(header) ? this.#basic.find(header) : undefined;
    if (remembered !== undefined) return remembered;
    const credentials = parseAuthorization(header);
    switch (credentials.kind) {
      case 'none': {
        const { logins } = this.#ports;
        const { loginToken } = from;
        return logins === undefined || loginToken === undefined
          ? this.#withoutCredentials(from, required)
          : this.#byLogin(inTime<Login | undefined>(logins.find(loginToken), loginTooLate), from, required);
      }
      case 'malformed':
        return this.#accept({ kind: 'refused', reason: credentials.reason }, undefined, from, required);
      case 'basic': {
        const found = authentication.basic(credentials.user, credentials.password, from);
        return found instanceof Promise
          ? inTime(found, () => TOO_LATE).then((each) => this.#acceptBasic(each, header, from, required))
          : this.#acceptBasic(found, header, from, required);
      }
      case 'bearer': {
        const found = authentication.bearer(credentials.token, from);
        return found instanceof Promise
          ? inTime(found, () => TOO_LATE).then((each) => this.#accept(each, 'invalid_token', from, required))
          : this.#accept(found, 'invalid_token', from, required);
      }
      default:
        return unreachable(credentials);
    }
  }

  /**
   * Decides whether a request is served. A read that the caller may not do is let through: the AccessControl wrapper then responds as
   * if the repository did not exist, so both cases have the same response.
   * @returns number of the rule that allows the request, for the log; undefined if there is none
   * @throws Unauthorized; RegistryError `denied`
   */
  admit(required: RequiredAccess | undefined, caller: Caller, from: GateRequest): number | undefined {
    // A kind of request without a row in requiredAccess.
    if (required === undefined) throw new RegistryError('denied', 'this registry does not allow such requests');
    const { policy, rules } = this.#ports;
    const missing = required.requirements.find((each) => !isMet(each, caller, policy));
    if (missing === undefined) return ruleOf(required.requirements[0], (wanted) => rules.allowing(caller, wanted));
    const refusal = refusalOf(caller.authority, required);
    // Clients normally begin without credentials, so the request's own log line is enough.
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

  /** The token service for the client of this request. @param peer address at the other end of the connection */
  tokenService(peer: string | undefined, request: Request): TokenService {
    const { tokenServer, publicAddress } = this.#ports;
    if (tokenServer !== undefined) return tokenServer;
    const base = publicAddress.absolute(peer, request);
    // Without a trusted host the realm must be relative, which only some clients understand.
    return base === undefined
      ? { realm: TOKEN_PATH, service: 'registry' }
      : { realm: base + TOKEN_PATH, service: hostOf(base) };
  }

  #withoutCredentials(from: GateRequest, required: RequiredAccess | undefined): Identified {
    const { certificate } = from;
    return certificate === undefined
      ? WITHOUT_CREDENTIALS
      : this.#accept(certificate, undefined, from, required, CERTIFICATE_WRONG);
  }

  /** A cookie whose log-in has ended counts as none, because browsers go on sending it. */
  async #byLogin(
    found: Promise<Login | undefined>,
    from: GateRequest,
    required: RequiredAccess | undefined,
  ): Promise<Identified> {
    const login = await found;
    if (login === undefined) return this.#withoutCredentials(from, required);
    return { ...this.#identified(login.authority), login: login.id, loginName: login.name };
  }

  #acceptBasic(
    found: Authenticated,
    header: string | null,
    from: GateRequest,
    required: RequiredAccess | undefined,
  ): Identified {
    const identified = this.#accept(found, undefined, from, required);
    if (header !== null && found.kind === 'known' && found.acceptAgain !== undefined)
      this.#basic.add(header, { value: identified, acceptAgain: found.acceptAgain });
    return identified;
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
        throw new RegistryError(
          'too-many-requests',
          'too many logins failed, or too many are in progress: try again later',
          {
            retryAfter: found.retryAfterSeconds,
          },
        );
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

/** A safeguard: authenticators have shorter deadlines of their own. */
const IDENTIFY_MS = 30_000;
const TOO_LATE: Authenticated = { kind: 'later', retryAfterSeconds: 5 };

function loginTooLate(): never {
  throw new RegistryError('unavailable', 'the registry cannot check your log-in at the moment: try again');
}

async function inTime<T>(found: Promise<T>, late: () => T): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), IDENTIFY_MS);
  });
  try {
    const first = await Promise.race([found, tooLate]);
    return first === 'late' ? late() : first;
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
    // A token for an anonymous caller counts, because the client has followed the challenge.
    case 'identity':
      return caller.authority.kind !== 'identity' || caller.authority.identity.kind !== 'anonymous';
  }
}

function ruleOf(
  requirement: Requirement | undefined,
  find: (wanted: Permission) => number | undefined,
): number | undefined {
  return requirement === undefined || requirement.kind === 'identity' ? undefined : find(requirement);
}

type Refusal = 'challenge' | 'wider-token' | 'denied' | 'hidden';

/** How a caller is refused. It must not depend on stored data. */
function refusalOf({ kind, identity }: Authority, required: RequiredAccess): Refusal {
  // The client then asks for a token with the challenge's scope.
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
