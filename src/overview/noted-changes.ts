import type { RepositoryName } from '../oci/names.ts';
import type { ChangeSource } from './indexer.ts';

/** Repositories that somebody has noted as changed. Nothing is kept before the first look. */
export class NotedChanges implements ChangeSource {
  readonly #noted = new Set<RepositoryName>();
  #isFollowed = false;

  note(repo: RepositoryName): void {
    if (this.#isFollowed) this.#noted.add(repo);
  }

  follow(): void {
    this.#isFollowed = true;
  }

  take(): readonly RepositoryName[] {
    this.#isFollowed = true;
    const noted = [...this.#noted];
    this.#noted.clear();
    return noted;
  }
}
