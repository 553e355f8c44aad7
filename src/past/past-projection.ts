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
import type { PastNames } from './past-names.ts';
import type { PastState, PastStates } from './past-states.ts';

const UNKNOWN = { kind: 'unknown' } as const;

/** The views of repositories as they were, under their names of the past. They cannot be changed. */
export class PastProjection implements Projection {
  readonly #names: PastNames;
  readonly #states: PastStates;

  constructor(names: PastNames, states: PastStates) {
    this.#names = names;
    this.#states = states;
  }

  manifestByTag(name: RepositoryName, tag: Tag): Answer<InRepository<FoundManifest | undefined>> {
    return this.#ask(name, (state) => {
      const digest = state.tag(tag);
      return digest === undefined ? undefined : found(state, digest);
    });
  }

  manifestByDigest(name: RepositoryName, digest: Digest): Answer<InRepository<FoundManifest | undefined>> {
    return this.#ask(name, (state) => found(state, digest));
  }

  blob(name: RepositoryName, digest: Digest): Answer<InRepository<BlobLink | undefined>> {
    return this.#ask(name, (state) => state.blob(digest));
  }

  blobUse(name: RepositoryName, digest: Digest): Answer<InRepository<BlobUse | undefined>> {
    return this.#ask(name, (state) => {
      const link = state.blob(digest);
      return link === undefined ? undefined : { link, references: state.references(digest) };
    });
  }

  tags(name: RepositoryName, after: string | undefined, limit: number): Answer<InRepository<Page<Tag>>> {
    return this.#ask(name, (state) => {
      const { names, more } = state.tagNames.page(after, limit);
      return { items: names, more };
    });
  }

  async referrers(
    name: RepositoryName,
    subject: Digest,
    { artifactType, after }: ReferrersQuery,
    limit: number,
  ): Promise<Page<FoundManifest>> {
    const past = await this.#past(name);
    const page = past?.state.referrers.get(subject)?.page(artifactType, after, limit);
    if (past === undefined || page === undefined) return { items: [], more: false };
    const items = page.names.map((digest) => found(past.state, digest)).filter((manifest) => manifest !== undefined);
    return { items, more: page.more };
  }

  /** The catalog of a moment is a request of its own: PastRegistry answers it. */
  async repositories(): Promise<Page<RepositoryName>> {
    return { items: [], more: false };
  }

  submit(name: RepositoryName): Promise<never> {
    return Promise.reject(new RegistryError('read-only', `${name} is in the past, which cannot be changed`));
  }

  #ask<T>(name: RepositoryName, answer: (state: RepositoryState) => T): Answer<InRepository<T>> {
    const past = this.#past(name);
    return past instanceof Promise
      ? past.then(({ state }) => inRepository(state, answer))
      : inRepository(past?.state, answer);
  }

  /** undefined: this is not a name of the past. */
  #past(name: RepositoryName): PastState | Promise<PastState> | undefined {
    const past = this.#names.parse(name);
    return past === undefined ? undefined : this.#states.at(past.repo, past.moment);
  }
}

function found(state: RepositoryState, digest: Digest): FoundManifest | undefined {
  const record = state.manifest(digest);
  return record === undefined ? undefined : { digest, record };
}

function inRepository<T>(state: RepositoryState | undefined, answer: (state: RepositoryState) => T): InRepository<T> {
  return state?.exists === true ? { kind: 'known', value: answer(state) } : UNKNOWN;
}
