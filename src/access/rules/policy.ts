import { unreachable } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { AccessPolicy, Action, Caller, RegistryAction } from '../access.ts';
import type { Identity } from '../identity.ts';
import type { AccessRules, RulesOfIdentity } from './access-rules.ts';
import type { RuledIdentity } from './subject.ts';

type Rules = Pick<AccessRules, 'of'>;

interface Remembered {
  readonly rules: RulesOfIdentity;
  /** The bits of what is allowed. */
  readonly repositories: Map<RepositoryName, number>;
}

const BITS: Readonly<Record<Action, number>> = { pull: 1, push: 2, create: 4, delete: 8 };

/** Bounds the memory for all identities together: clients choose the names that they ask for. */
const MAX_REPOSITORIES = 100_000;

/**
 * Asks the rules of ACCESS_FILE. What they say about an identity is remembered as long as the identity's object exists, so a
 * request of a known caller costs two look-ups. Authenticators should give one object to all requests with the same credentials.
 */
export class RulesPolicy implements AccessPolicy {
  readonly #current: () => Rules;
  /** Whose answers are remembered. */
  #rules: Rules;
  #remembered = new WeakMap<Identity, Remembered>();
  #repositories = 0;

  /** @param current the rules that are in use; others after ACCESS_FILE has changed */
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

  #allowsIdentity(identity: Identity, action: Action, repo: RepositoryName): boolean {
    // The operator and Marina's own work are not subject to rules.
    if (identity.kind === 'system' || identity.kind === 'operator') return true;
    return (this.#allowedOn(identity, repo) & BITS[action]) !== 0;
  }

  #allowsIdentityRegistry(identity: Identity, action: RegistryAction): boolean {
    if (identity.kind === 'system' || identity.kind === 'operator') return true;
    return this.#of(identity).rules.allowingRegistry(action) !== undefined;
  }

  #allowedOn(identity: RuledIdentity, repo: RepositoryName): number {
    const { rules, repositories } = this.#of(identity);
    const known = repositories.get(repo);
    if (known !== undefined) return known;
    let allowed = 0;
    for (const action of rules.allowedOn(repo)) allowed |= BITS[action];
    repositories.set(repo, allowed);
    this.#repositories++;
    if (this.#repositories >= MAX_REPOSITORIES) this.#forget();
    return allowed;
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
