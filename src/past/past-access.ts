import type { AccessPolicy, Action, Caller, RegistryAction, RuleLookup } from '../access/access.ts';
import type { Permission } from '../access/authority.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { PastNames } from './past-names.ts';

/**
 * The past of a repository may be read by those who may pull from the repository today. Clients that ask for a token by the name that
 * they pull from get one for that name, which is as good as one for the repository itself.
 */
export class PastAccess implements AccessPolicy, RuleLookup {
  readonly #inner: AccessPolicy & RuleLookup;
  readonly #names: PastNames;

  constructor(inner: AccessPolicy & RuleLookup, names: PastNames) {
    this.#inner = inner;
    this.#names = names;
  }

  allows(caller: Caller, action: Action, repo: RepositoryName): boolean {
    const past = action === 'pull' ? this.#names.parse(repo) : undefined;
    if (past === undefined) return this.#inner.allows(caller, action, repo);
    if (this.#inner.allows(caller, 'pull', past.repo)) return true;
    const { authority } = caller;
    // A token of a token server counts only for the repository itself: that server does not know what such a name stands for.
    return (
      authority.kind === 'own-token' &&
      authority.grants.allows('pull', repo) &&
      this.#inner.mayPullUnnamed(caller, past.repo)
    );
  }

  mayPullUnnamed(caller: Caller, repo: RepositoryName): boolean {
    return this.#inner.mayPullUnnamed(caller, repo);
  }

  mayList(caller: Caller, repo: RepositoryName): boolean {
    return this.#inner.mayList(caller, repo);
  }

  maySeeAny(caller: Caller): boolean {
    return this.#inner.maySeeAny(caller);
  }

  allowsRegistry(caller: Caller, action: RegistryAction): boolean {
    return this.#inner.allowsRegistry(caller, action);
  }

  allowing(caller: Caller, wanted: Permission): number | undefined {
    return this.#inner.allowing(caller, this.#today(wanted));
  }

  nearest(caller: Caller, wanted: Permission): number | undefined {
    return this.#inner.nearest(caller, this.#today(wanted));
  }

  #today(wanted: Permission): Permission {
    if (wanted.kind === 'registry' || wanted.action !== 'pull') return wanted;
    const past = this.#names.parse(wanted.repo);
    return past === undefined ? wanted : { ...wanted, repo: past.repo };
  }
}
