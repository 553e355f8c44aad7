import type { RepositoryState } from '../journal/fold.ts';
import type { BlobLink } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type {
  Answer,
  BlobUse,
  FoundManifest,
  InRepository,
  Page,
  Projection,
  ReferrersQuery,
} from '../projection/projection.ts';
import {
  blobLink,
  blobUse,
  inRepository,
  manifestByDigest,
  manifestByTag,
  referrerPage,
  tagPage,
} from '../projection/state-answers.ts';
import type { PastNames } from './past-names.ts';
import type { PastState, PastStates } from './past-states.ts';

/** The views of repositories as they were, under their names of the past. They cannot be changed. */
export class PastProjection implements Projection {
  readonly #names: PastNames;
  readonly #states: PastStates;

  constructor(names: PastNames, states: PastStates) {
    this.#names = names;
    this.#states = states;
  }

  manifestByTag(name: RepositoryName, tag: Tag): Answer<InRepository<FoundManifest | undefined>> {
    return this.#ask(name, manifestByTag, tag);
  }

  manifestByDigest(name: RepositoryName, digest: Digest): Answer<InRepository<FoundManifest | undefined>> {
    return this.#ask(name, manifestByDigest, digest);
  }

  blob(name: RepositoryName, digest: Digest): Answer<InRepository<BlobLink | undefined>> {
    return this.#ask(name, blobLink, digest);
  }

  blobUse(name: RepositoryName, digest: Digest): Answer<InRepository<BlobUse | undefined>> {
    return this.#ask(name, blobUse, digest);
  }

  tags(name: RepositoryName, after: string | undefined, limit: number): Answer<InRepository<Page<Tag>>> {
    return this.#ask(name, (state, start) => tagPage(state, start, limit), after);
  }

  async referrers(
    name: RepositoryName,
    subject: Digest,
    query: ReferrersQuery,
    limit: number,
  ): Promise<Page<FoundManifest>> {
    const past = await this.#past(name);
    return past === undefined ? { items: [], more: false } : referrerPage(past.state, subject, query, limit);
  }

  /** The catalog of a moment is a request of its own: PastRegistry answers it. */
  async repositories(): Promise<Page<RepositoryName>> {
    return { items: [], more: false };
  }

  submit(name: RepositoryName): Promise<never> {
    return Promise.reject(new RegistryError('read-only', `${name} is in the past, which cannot be changed`));
  }

  #ask<K, T>(name: RepositoryName, answer: (state: RepositoryState, key: K) => T, key: K): Answer<InRepository<T>> {
    const past = this.#past(name);
    return past instanceof Promise
      ? past.then(({ state }) => inRepository(state, answer, key))
      : inRepository(past?.state, answer, key);
  }

  /** undefined: this is not a name of the past. */
  #past(name: RepositoryName): PastState | Promise<PastState> | undefined {
    const past = this.#names.parse(name);
    return past === undefined ? undefined : this.#states.at(past.repo, past.moment);
  }
}
