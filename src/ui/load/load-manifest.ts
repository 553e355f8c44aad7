import type { Caller } from '../../access/access.ts';
import type { ManifestDetails } from '../../inspection/interface.ts';
import { parseDigest } from '../../oci/digest.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { Sharers } from '../../overview/interface.ts';
import type { RecentChange, RepositoryContents } from '../../past/interface.ts';
import type { Reference } from '../../registry/interface.ts';
import type { Review } from '../../retention/interface.ts';
import type { Actions } from './actions.ts';
import type { Sources } from './sources.ts';

export interface ManifestData {
  readonly repo: RepositoryName;
  readonly reference: Reference;
  readonly details: ManifestDetails;
  /** The manifest as it was pushed. */
  readonly text: string;
  readonly contents: RepositoryContents;
  /** The tags that point to it. */
  readonly tags: readonly Tag[];
  /** When it was last pushed, in milliseconds since 1970; undefined if it was deleted just now. */
  readonly pushed: number | undefined;
  /** Of the tag, newest first; empty for a digest. */
  readonly changes: readonly RecentChange[];
  /** Other repositories with its layers and manifests, as far as the visitor may see. */
  readonly sharers: ReadonlyMap<string, Sharers>;
  /** What retention does with its tags. */
  readonly review: Review;
  readonly actions: Actions;
}

/** Changes of the repository that are searched for those of a tag, and how many of these are shown. */
const SEARCHED_CHANGES = 500;
const MAX_CHANGES = 50;
/** Layers and manifests for which the page says who else has them, and repositories that it names for each. */
const [MAX_PARTS, MAX_SHARERS] = [300, 3];
/** Tags whose fate is looked up. */
const MAX_TAGS = 50;

/** @throws RegistryError `manifest-unknown`, and `name-unknown` if the visitor may not see the repository, too */
export async function loadManifest(
  repo: RepositoryName,
  reference: Reference,
  caller: Caller,
  { registry, history, inspection, overview, retention, actionsIn }: Sources,
): Promise<ManifestData> {
  const { descriptor, bytes } = await registry.getManifest(repo, reference, caller);
  const { digest } = descriptor;
  const [details, contents, changes] = await Promise.all([
    inspection.manifest(repo, { kind: 'digest', digest }, caller),
    history.contents(repo, undefined, caller),
    reference.kind === 'tag' ? changesOfTag(repo, reference.tag, caller, history) : [],
  ]);
  const tags = contents.tagsOf(digest);
  const named = reference.kind === 'tag' ? [reference.tag] : [];
  const [sharers, review] = await Promise.all([
    overview.sharersOf(partsOf(details), repo, MAX_SHARERS, caller),
    retention.review(repo, [...named, ...tags.slice(0, MAX_TAGS)], caller),
  ]);
  return {
    ...{ repo, reference, details, contents, changes, sharers, review, tags },
    text: new TextDecoder().decode(bytes),
    pushed: contents.pushed(digest),
    actions: actionsIn(repo, caller),
  };
}

function partsOf({ layers, platforms }: ManifestDetails): Digest[] {
  return [...layers, ...platforms].slice(0, MAX_PARTS).flatMap(({ digest }) => parseDigest(digest) ?? []);
}

/** A tag that existed not long ago. */
export interface DeletedTagData {
  readonly repo: RepositoryName;
  readonly tag: Tag;
  /** Newest first. */
  readonly changes: readonly RecentChange[];
  readonly actions: Actions;
}

/** @returns undefined if the tag did not exist lately */
export async function loadDeletedTag(
  repo: RepositoryName,
  tag: Tag,
  caller: Caller,
  { history, actionsIn }: Pick<Sources, 'history' | 'actionsIn'>,
): Promise<DeletedTagData | undefined> {
  const changes = await changesOfTag(repo, tag, caller, history);
  if (changes.length === 0) return undefined;
  return { repo, tag, changes, actions: actionsIn(repo, caller) };
}

async function changesOfTag(
  repo: RepositoryName,
  tag: Tag,
  caller: Caller,
  history: Sources['history'],
): Promise<RecentChange[]> {
  const { changes } = await history.recentChanges(repo, { before: undefined, limit: SEARCHED_CHANGES }, caller);
  return changes.filter((change) => 'tag' in change && change.tag === tag).slice(0, MAX_CHANGES);
}
