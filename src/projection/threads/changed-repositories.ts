import type { RepositoryName } from '../../oci/names.ts';
import type { Changes } from './changed-names.ts';
import type { Count, Head, Heads } from './heads.ts';

interface Followed {
  readonly head: Head;
  /** As it was before the last look for slots. */
  count: Count;
}

/** Finds the repositories that any thread of the process has written to, by comparing their counts. */
export class ChangedRepositories {
  readonly #heads: Heads;
  readonly #followed = new Map<RepositoryName, Followed>();
  #names: Changes;

  constructor(heads: Heads) {
    this.#heads = heads;
    this.#names = heads.changed.count();
  }

  /** Must be called before the log of a repository is read for the first time. */
  follow(repo: RepositoryName): void {
    if (this.#followed.has(repo)) return;
    const head = this.#heads.of(repo);
    this.#followed.set(repo, { head, count: head.slots() });
  }

  /**
   * The repositories that have new slots since the last call, or may have. Those slots can be read now.
   * @returns undefined if repositories may have been created whose names are not known: all must be listed
   */
  take(): readonly RepositoryName[] | undefined {
    const found: RepositoryName[] = [];
    for (const [repo, followed] of this.#followed) {
      const count = followed.head.slots();
      if (count === followed.count) continue;
      followed.count = count;
      found.push(repo);
    }
    const before = this.#heads.changed.count();
    const news = this.#heads.changed.since(this.#names);
    this.#names = news?.count ?? before;
    if (news === undefined) return undefined;
    for (const repo of news.names) {
      this.follow(repo);
      found.push(repo);
    }
    return found;
  }
}
