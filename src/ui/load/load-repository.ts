import type { Caller } from '../../access/access.ts';
import type { ManifestDetails } from '../../inspection/interface.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { TagSummary, TagsPage } from '../../overview/interface.ts';
import type { RecentChange, RepositoryContents } from '../../past/interface.ts';
import type { PinList } from '../../pins/interface.ts';
import type { Review } from '../../retention/interface.ts';
import { SORTS, type TagOrder } from '../models/tag-order.ts';
import type { Actions } from './actions.ts';
import type { Sources } from './sources.ts';

export interface RepositoryData {
  readonly repo: RepositoryName;
  readonly contents: RepositoryContents;
  readonly page: TagsPage;
  /** `after` of the next page; undefined: there is none. */
  readonly next: number | undefined;
  /** The newest tag, whose manifest speaks for the repository. */
  readonly newest: TagSummary | undefined;
  readonly details: ManifestDetails | undefined;
  /** Bytes that other repositories have, too; undefined if that would take too long to find out. */
  readonly shared: number | undefined;
  /** What retention does with the tags of the page. */
  readonly review: Review;
  /** Newest first. */
  readonly changes: readonly RecentChange[];
  /** What an Undo button would restore. */
  readonly deleted: readonly DeletedTag[];
  /** What is kept of it, whatever is deleted. */
  readonly pins: PinList;
  readonly actions: Actions;
}

export interface DeletedTag {
  readonly tag: Tag;
  readonly digest: Digest;
}

export interface RepositoryRequest {
  readonly repo: RepositoryName;
  readonly sort: TagOrder;
  readonly q: string;
  /** How many tags come before the page. */
  readonly after: number;
  readonly undo: number | undefined;
}

const PAGE = 50;
const CHANGES = 25;
/** Changes in which deleted tags are looked for. */
const UNDO_CHANGES = 250;

/** @throws RegistryError `name-unknown` if the visitor may not see it, too */
export async function loadRepository(
  { repo, sort, q, after, undo }: RepositoryRequest,
  caller: Caller,
  sources: Sources,
): Promise<RepositoryData> {
  const { history, overview, retention, pins, actionsIn } = sources;
  const contents = await history.contents(repo, undefined, caller);
  const limit = undo === undefined ? CHANGES : UNDO_CHANGES;
  const [page, newest, { changes }, storage] = await Promise.all([
    overview.tags(repo, { sort: SORTS[sort], text: q === '' ? undefined : q, offset: after, limit: PAGE }, caller),
    overview.tags(repo, { sort: 'time', offset: 0, limit: 1 }, caller),
    history.recentChanges(repo, { before: undefined, limit }, caller),
    overview.storage({ repo, repositories: 1, parts: 1 }, caller),
  ]);
  const [first] = newest.items;
  const tags = page.items.map(({ tag }) => tag);
  const [details, review, pinned] = await Promise.all([
    detailsOf(repo, first, caller, sources),
    retention.review(repo, tags, caller),
    pins.list(repo, caller),
  ]);
  return {
    ...{ repo, contents, page },
    next: page.more ? after + page.items.length : undefined,
    newest: first,
    ...{ details, review, shared: storage.repositories[0]?.shared },
    changes: changes.slice(0, CHANGES),
    deleted: undo === undefined ? [] : deletedSince(undo, changes, contents),
    pins: pinned,
    actions: actionsIn(repo, caller),
  };
}

async function detailsOf(
  repo: RepositoryName,
  newest: TagSummary | undefined,
  caller: Caller,
  { inspection }: Pick<Sources, 'inspection'>,
): Promise<ManifestDetails | undefined> {
  if (newest === undefined) return undefined;
  try {
    return await inspection.manifest(repo, { kind: 'digest', digest: newest.digest }, caller);
  } catch (error) {
    // It may be deleted at any time.
    if (error instanceof RegistryError && error.kind === 'manifest-unknown') return undefined;
    throw error;
  }
}

/** The tags that were deleted after a slot and have not been set again. */
function deletedSince(
  seq: number,
  changes: readonly RecentChange[],
  contents: RepositoryContents,
): readonly DeletedTag[] {
  const deleted = new Map<Tag, Digest>();
  for (const change of changes) {
    if (change.seq <= seq) break;
    if (change.kind === 'tag-deleted' && contents.tag(change.tag) === undefined && !deleted.has(change.tag))
      deleted.set(change.tag, change.digest);
  }
  return Array.from(deleted, ([tag, digest]) => ({ tag, digest }));
}
