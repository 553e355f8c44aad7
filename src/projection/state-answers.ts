// What requests ask of the state of one repository, whichever view holds it.
import type { RepositoryState } from '../journal/fold.ts';
import type { BlobLink } from '../journal/state.ts';
import type { Digest, Tag } from '../oci/names.ts';
import type { BlobUse, FoundManifest, InRepository, Page, ReferrersQuery } from './projection.ts';

const UNKNOWN = { kind: 'unknown' } as const;

/**
 * @param state undefined if the repository has no log
 * @param key what `answer` is asked for; passed on, because a closure for each request would cost a pull measurable time
 */
export function inRepository<K, T>(
  state: RepositoryState | undefined,
  answer: (state: RepositoryState, key: K) => T,
  key: K,
): InRepository<T> {
  return state?.exists === true ? { kind: 'known', value: answer(state, key) } : UNKNOWN;
}

export function manifestByTag(state: RepositoryState, tag: Tag): FoundManifest | undefined {
  const digest = state.tag(tag);
  return digest === undefined ? undefined : manifestByDigest(state, digest);
}

export function manifestByDigest(state: RepositoryState, digest: Digest): FoundManifest | undefined {
  const record = state.manifest(digest);
  return record === undefined ? undefined : { digest, record };
}

export function blobLink(state: RepositoryState, digest: Digest): BlobLink | undefined {
  return state.blob(digest);
}

export function blobUse(state: RepositoryState, digest: Digest): BlobUse | undefined {
  const link = state.blob(digest);
  return link === undefined ? undefined : { link, references: state.references(digest) };
}

export function tagPage(state: RepositoryState, after: string | undefined, limit: number): Page<Tag> {
  const { names, more } = state.tagNames.page(after, limit);
  return { items: names, more };
}

export function referrerPage(
  state: RepositoryState,
  subject: Digest,
  { artifactType, after }: ReferrersQuery,
  limit: number,
): Page<FoundManifest> {
  const page = state.referrers.get(subject)?.page(artifactType, after, limit);
  if (page === undefined) return { items: [], more: false };
  const items = page.names
    .map((digest) => manifestByDigest(state, digest))
    .filter((manifest) => manifest !== undefined);
  return { items, more: page.more };
}
