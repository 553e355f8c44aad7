import type { Caller } from '../../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { DatedTag, ManifestOverview, RecentChange, RepositoryOverview } from '../../past/interface.ts';
import { kindOfType } from '../models/artifact-kind.ts';
import { attachedTags, isFoldedTag } from '../models/folded-tags.ts';
import { orderTags, type TagOrder } from '../models/tag-order.ts';
import type { ManifestSketch } from './content-reader.ts';
import { type About, loadAbout } from './load-about.ts';
import type { Sources } from './sources.ts';

export interface RepositoryData {
  readonly repo: RepositoryName;
  readonly overview: RepositoryOverview;
  readonly rows: readonly TagRow[];
  /** Tags that match the search, without those that belong to others. */
  readonly matching: number;
  /** Tags such as `sha256-….sig`, which are shown as badges of what they belong to. */
  readonly folded: number;
  /** `after` of the next page; undefined: there is none. */
  readonly next: Tag | undefined;
  readonly newest: TagRow | undefined;
  readonly about: About;
  readonly changes: readonly RecentChange[];
  /** What an Undo button would restore. */
  readonly deleted: readonly DeletedTag[];
  readonly mayDelete: boolean;
  readonly mayRestore: boolean;
}

export interface TagRow extends DatedTag {
  readonly manifest: ManifestOverview | undefined;
  readonly sketch: ManifestSketch | undefined;
  /** The label of who set it, if that was not long ago. */
  readonly actor: string | undefined;
  readonly isSigned: boolean;
  readonly hasSbom: boolean;
  readonly isAttested: boolean;
}

export interface DeletedTag {
  readonly tag: Tag;
  readonly digest: Digest;
}

export interface RepositoryRequest {
  readonly repo: RepositoryName;
  readonly sort: TagOrder;
  readonly q: string;
  readonly after: string | undefined;
  readonly undo: number | undefined;
}

const PAGE = 50;
const CHANGES = 25;
/** Changes that are searched for who set a tag. */
const SEARCHED_CHANGES = 300;
/** Time to read the manifests of the rows, in milliseconds. */
const SKETCHES_WITHIN_MS = 500;

/** @throws RegistryError `name-unknown` if the visitor may not see it, too */
export async function loadRepository(
  { repo, sort, q, after, undo }: RepositoryRequest,
  caller: Caller,
  sources: Sources,
): Promise<RepositoryData> {
  const { history, contents, policy } = sources;
  const overview = await history.overview(repo, undefined, caller);
  const own = overview.tags.filter(({ tag }) => !isFoldedTag(tag));
  const ordered = orderTags(matchingTags(own, q), sort);
  const start = after === undefined ? 0 : ordered.findIndex(({ tag }) => tag === after) + 1;
  const page = ordered.slice(start, start + PAGE);
  const [newest] = page[0] !== undefined && sort === 'time' && start === 0 && q === '' ? page : orderTags(own, 'time');
  const shown = newest === undefined || page.includes(newest) ? page : [...page, newest];
  const until = performance.now() + SKETCHES_WITHIN_MS;
  const [sketches, { changes }] = await Promise.all([
    contents.sketches(
      repo,
      shown.map(({ digest }) => digest),
      caller,
      until,
    ),
    history.recentChanges(repo, { before: undefined, limit: SEARCHED_CHANGES }, caller),
  ]);
  const actors = actorsOf(changes);
  const rowOf = (tag: DatedTag): TagRow => tagRow(tag, overview, sketches.get(tag.digest), actors.get(tag.tag));
  return {
    repo,
    overview,
    rows: page.map(rowOf),
    matching: ordered.length,
    folded: overview.tags.length - own.length,
    next: start + PAGE < ordered.length ? page.at(-1)?.tag : undefined,
    newest: newest === undefined ? undefined : rowOf(newest),
    about: await loadAbout(repo, newest?.digest, caller, sources),
    changes: changes.slice(0, CHANGES),
    deleted: undo === undefined ? [] : deletedSince(undo, changes, overview),
    mayDelete: policy.allows(caller, 'delete', repo),
    mayRestore: policy.allows(caller, 'create', repo),
  };
}

/** A search finds parts of tags and the beginnings of digests. */
function matchingTags(tags: readonly DatedTag[], q: string): readonly DatedTag[] {
  if (q === '') return tags;
  const wanted = q.toLowerCase();
  return tags.filter(
    ({ tag, digest }) =>
      tag.toLowerCase().includes(wanted) ||
      digest.startsWith(wanted) ||
      (wanted.length >= 4 && digest.slice(digest.indexOf(':') + 1).startsWith(wanted)),
  );
}

function tagRow(
  tag: DatedTag,
  overview: RepositoryOverview,
  sketch: ManifestSketch | undefined,
  actor: string | undefined,
): TagRow {
  const manifest = overview.manifest(tag.digest);
  const kinds = new Set(manifest?.referrerTypes.map(kindOfType));
  const beside = attachedTags(tag.digest);
  const has = (attached: Tag | undefined): boolean => attached !== undefined && overview.tag(attached) !== undefined;
  return {
    ...tag,
    manifest,
    sketch,
    actor,
    isSigned: kinds.has('signature') || has(beside.signature),
    hasSbom: kinds.has('sbom') || has(beside.sbom),
    isAttested: kinds.has('attestation') || has(beside.attestation) || sketch?.isAttested === true,
  };
}

function actorsOf(changes: readonly RecentChange[]): ReadonlyMap<Tag, string> {
  const actors = new Map<Tag, string>();
  for (const change of changes) {
    if (change.kind === 'tag-set' && change.actor !== undefined && !actors.has(change.tag))
      actors.set(change.tag, change.actor);
  }
  return actors;
}

/** The tags that were deleted after a slot and have not been set again. */
function deletedSince(
  seq: number,
  changes: readonly RecentChange[],
  overview: RepositoryOverview,
): readonly DeletedTag[] {
  const deleted = new Map<Tag, Digest>();
  for (const change of changes) {
    if (change.seq <= seq) break;
    if (change.kind === 'tag-deleted' && overview.tag(change.tag) === undefined && !deleted.has(change.tag))
      deleted.set(change.tag, change.digest);
  }
  return Array.from(deleted, ([tag, digest]) => ({ tag, digest }));
}
