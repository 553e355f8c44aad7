import { unreachable } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { AccessPolicy, Action, Caller, RegistryAction, RuleLookup } from '../access.ts';
import type { Permission } from '../authority.ts';
import type { Identity } from '../identity.ts';
import type { AccessRules, RulesOfIdentity } from './access-rules.ts';
import type { RuledIdentity } from './subject.ts';

type Rules = Pick<AccessRules, 'of' | 'nearest'>;
/** Numbers of the rules that allow each action. */
type Allowing = ReturnType<RulesOfIdentity['allowingOn']>;

interface Remembered {
  readonly rules: RulesOfIdentity;
  readonly repositories: Map<RepositoryName, Allowing>;
}

/** For all identities together. Clients choose the names, so the memory must be bounded. */
const MAX_REPOSITORIES = 100_000;

/**
 * Decides by the rules of ACCESS_FILE. Results are cached per identity object, so a request of a cached caller costs two lookups.
 * Authenticators should therefore return the same object for all requests with the same credentials.
 */
export class RulesPolicy implements AccessPolicy, RuleLookup {
  readonly #current: () => Rules;
  /** The rules that the cached results came from. */
  #rules: Rules;
  #remembered = new WeakMap<Identity, Remembered>();
  #repositories = 0;

  /** @param current returns the current rules, which are another object after ACCESS_FILE has changed */
  constructor(current: () => Rules) {
    this.#current = current;
    this.#rules = current();
  }

  allows({ authority }: Caller, action: Action, repo: RepositoryName): boolean {
    switch (authority.kind) {
      case 'identity':
        return this.#allowsIdentity(authority.identity, action, repo);
      case 'own-token':
        return authority.grants.allows(action, repo) && this.#allowsIdentity(authority.identity, action, repo);
      case 'server-token':
        return authority.grants.allows(action, repo);
      default:
        return unreachable(authority);
    }
  }

  mayPullUnnamed({ authority }: Caller, repo: RepositoryName): boolean {
    return authority.kind === 'server-token'
      ? authority.grants.allows('pull', repo)
      : this.#allowsIdentity(authority.identity, 'pull', repo);
  }

  /** A token with the catalog scope lists the whole catalog, because tokens of token servers name few repositories, and often none. */
  mayList(caller: Caller, repo: RepositoryName): boolean {
    const { authority } = caller;
    const isWholeCatalog = authority.kind === 'server-token' && authority.grants.allowsRegistry('catalog');
    return isWholeCatalog || this.mayPullUnnamed(caller, repo);
  }

  maySeeAny({ authority: { kind, identity } }: Caller): boolean {
    // What the token of a token server names cannot be listed.
    return kind === 'server-token' || !isRuled(identity) || this.#of(identity).rules.allowsSomewhere('pull');
  }

  allowsRegistry({ authority }: Caller, action: RegistryAction): boolean {
    switch (authority.kind) {
      case 'identity':
        return this.#allowsIdentityRegistry(authority.identity, action);
      case 'own-token':
        return authority.grants.allowsRegistry(action) && this.#allowsIdentityRegistry(authority.identity, action);
      case 'server-token':
        return authority.grants.allowsRegistry(action);
      default:
        return unreachable(authority);
    }
  }

  allowing({ authority: { kind, identity } }: Caller, wanted: Permission): number | undefined {
    if (kind === 'server-token' || !isRuled(identity)) return undefined;
    return wanted.kind === 'registry'
      ? this.#of(identity).rules.allowingRegistry(wanted.action)?.number
      : this.#allowingOn(identity, wanted.repo)[wanted.action];
  }

  nearest(caller: Caller, wanted: Permission): number | undefined {
    const { kind, identity } = caller.authority;
    // The rules may allow it although the token does not.
    if (kind === 'server-token' || !isRuled(identity) || this.allowing(caller, wanted) !== undefined) return undefined;
    return this.#current().nearest(identity, wanted)?.rule;
  }

  #allowsIdentity(identity: Identity, action: Action, repo: RepositoryName): boolean {
    return !isRuled(identity) || this.#allowingOn(identity, repo)[action] !== undefined;
  }

  #allowsIdentityRegistry(identity: Identity, action: RegistryAction): boolean {
    return !isRuled(identity) || this.#of(identity).rules.allowingRegistry(action) !== undefined;
  }

  #allowingOn(identity: RuledIdentity, repo: RepositoryName): Allowing {
    const { rules, repositories } = this.#of(identity);
    const known = repositories.get(repo);
    if (known !== undefined) return known;
    const allowing = rules.allowingOn(repo);
    repositories.set(repo, allowing);
    this.#repositories++;
    if (this.#repositories >= MAX_REPOSITORIES) this.#forget();
    return allowing;
  }

  #of(identity: RuledIdentity): Remembered {
    const current = this.#current();
    if (current !== this.#rules) this.#forget();
    this.#rules = current;
    const known = this.#remembered.get(identity);
    if (known !== undefined) return known;
    const remembered = { rules: current.of(identity), repositories: new Map() };
    this.#remembered.set(identity, remembered);
    return remembered;
  }

  #forget(): void {
    this.#remembered = new WeakMap();
    this.#repositories = 0;
  }
}

/** The operator and Marina's own work are not subject to rules. */
function isRuled(identity: Identity): identity is RuledIdentity {
  return identity.kind !== 'system' && identity.kind !== 'operator';
}
