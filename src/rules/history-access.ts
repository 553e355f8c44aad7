import type { AccessPolicy, Caller } from '../access/access.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { History } from '../past/interface.ts';
import { nameUnknown } from '../registry/require-repository.ts';

/**
 * The past of a repository is for those who may pull from it today. Others get the response for a repository that does not exist, as
 * they do for the repository itself (AccessControl).
 */
export class HistoryAccess implements History {
  readonly #inner: History;
  readonly #policy: AccessPolicy;

  constructor(inner: History, policy: AccessPolicy) {
    this.#inner = inner;
    this.#policy = policy;
  }

  async tagHistory(...call: Parameters<History['tagHistory']>): ReturnType<History['tagHistory']> {
    const [repo, , , caller] = call;
    this.#requirePull(repo, caller);
    return await this.#inner.tagHistory(...call);
  }

  async repositoryAt(...call: Parameters<History['repositoryAt']>): ReturnType<History['repositoryAt']> {
    const [repo, , , caller] = call;
    this.#requirePull(repo, caller);
    return await this.#inner.repositoryAt(...call);
  }

  async diff(...call: Parameters<History['diff']>): ReturnType<History['diff']> {
    const [repo, , , caller] = call;
    this.#requirePull(repo, caller);
    return await this.#inner.diff(...call);
  }

  async contents(...call: Parameters<History['contents']>): ReturnType<History['contents']> {
    const [repo, , caller] = call;
    this.#requirePull(repo, caller);
    return await this.#inner.contents(...call);
  }

  async slotAt(...call: Parameters<History['slotAt']>): ReturnType<History['slotAt']> {
    const [repo, , caller] = call;
    this.#requirePull(repo, caller);
    return await this.#inner.slotAt(...call);
  }

  async recentChanges(...call: Parameters<History['recentChanges']>): ReturnType<History['recentChanges']> {
    const [repo, , caller] = call;
    this.#requirePull(repo, caller);
    return await this.#inner.recentChanges(...call);
  }

  #requirePull(repo: RepositoryName, caller: Caller): void {
    if (!this.#policy.allows(caller, 'pull', repo)) throw nameUnknown(repo);
  }
}
