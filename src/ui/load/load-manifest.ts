import type { Caller } from '../../access/access.ts';
import type { ManifestDetails } from '../../inspection/interface.ts';
import type { RepositoryName, Tag } from '../../oci/names.ts';
import type { RecentChange, RepositoryContents } from '../../past/interface.ts';
import type { Reference } from '../../registry/interface.ts';
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
  readonly mayDelete: boolean;
  readonly mayRestore: boolean;
}

/** Changes of the repository that are searched for those of a tag, and how many of these are shown. */
const SEARCHED_CHANGES = 500;
const MAX_CHANGES = 50;

/** @throws RegistryError `manifest-unknown`, and `name-unknown` if the visitor may not see the repository, too */
export async function loadManifest(
  repo: RepositoryName,
  reference: Reference,
  caller: Caller,
  { registry, history, inspection, policy }: Sources,
): Promise<ManifestData> {
  const { descriptor, bytes } = await registry.getManifest(repo, reference, caller);
  const { digest } = descriptor;
  const [details, contents, changes] = await Promise.all([
    inspection.manifest(repo, { kind: 'digest', digest }, caller),
    history.contents(repo, undefined, caller),
    reference.kind === 'tag' ? changesOfTag(repo, reference.tag, caller, history) : [],
  ]);
  return {
    ...{ repo, reference, details, contents, changes },
    text: new TextDecoder().decode(bytes),
    tags: contents.tagsOf(digest),
    pushed: contents.pushed(digest),
    mayDelete: policy.allows(caller, 'delete', repo),
    mayRestore: policy.allows(caller, 'create', repo),
  };
}

/** A tag that existed not long ago. */
export interface DeletedTagData {
  readonly repo: RepositoryName;
  readonly tag: Tag;
  /** Newest first. */
  readonly changes: readonly RecentChange[];
  readonly mayRestore: boolean;
}

/** @returns undefined if the tag did not exist lately */
export async function loadDeletedTag(
  repo: RepositoryName,
  tag: Tag,
  caller: Caller,
  { history, policy }: Pick<Sources, 'history' | 'policy'>,
): Promise<DeletedTagData | undefined> {
  const changes = await changesOfTag(repo, tag, caller, history);
  if (changes.length === 0) return undefined;
  return { repo, tag, changes, mayRestore: policy.allows(caller, 'create', repo) };
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
