import type { Caller } from '../../access/access.ts';
import type { Badges, ManifestDetails } from '../../inspection/interface.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { RecentChange, RepositoryContents } from '../../past/interface.ts';
import { type Moment, secondOf, type TimeMoment } from '../../past/moment.ts';
import type { Reference } from '../../registry/interface.ts';
import type { PastPlace } from '../addresses.ts';
import type { TagOrder } from '../models/tag-order.ts';
import type { Actions } from './actions.ts';
import { loadTravel, type Travel } from './load-travel.ts';
import { badgesOf, type PastSummary, summariesOf, type TagEntry, tagsOf } from './past-tags.ts';
import type { Sources } from './sources.ts';

/** What a tag of the past is today. */
export type Today =
  | { readonly kind: 'same' }
  | { readonly kind: 'moved'; readonly digest: Digest }
  | { readonly kind: 'gone' };

export interface PastTag extends TagEntry {
  readonly today: Today;
  readonly badges: Badges;
  /** undefined if its bytes were freed, or if there was too much to read. */
  readonly summary: PastSummary | undefined;
}

export interface PastRepositoryData {
  readonly place: PastPlace;
  /** By which it can be pulled. */
  readonly name: RepositoryName;
  readonly contents: RepositoryContents;
  readonly travel: Travel;
  readonly tags: readonly PastTag[];
  /** Tags that match, without those that only attach something. */
  readonly count: number;
  readonly folded: number;
  /** `after` of the next page; undefined: there is none. */
  readonly next: number | undefined;
  /** The newest tag, whose manifest speaks for the repository. */
  readonly newest: Tag | undefined;
  readonly details: ManifestDetails | undefined;
  /** Until the moment, newest first. */
  readonly changes: readonly RecentChange[];
  /** Whether the repository exists today. */
  readonly isHere: boolean;
}

export interface PastRepositoryRequest {
  readonly place: PastPlace;
  readonly sort: TagOrder;
  readonly q: string;
  /** How many tags come before the page. */
  readonly after: number;
}

export interface PastManifestData {
  readonly place: PastPlace;
  /** By which it can be pulled. */
  readonly name: RepositoryName;
  readonly reference: Reference;
  readonly travel: Travel;
  readonly details: ManifestDetails;
  /** The manifest as it was pushed. */
  readonly text: string;
  /** The tags that pointed to it. */
  readonly tags: readonly Tag[];
  /** When it was last pushed before, in milliseconds since 1970. */
  readonly pushed: number | undefined;
  /** What the tag is today; undefined for a digest. */
  readonly today: Today | undefined;
  /** In the repository of today. */
  readonly actions: Actions;
}

const PAGE = 50;
const CHANGES = 25;

/**
 * The second in which a moment of a repository lies, which addresses can name.
 * @throws RegistryError as History.slotAt, for a slot
 */
export async function secondFor(
  at: Moment,
  repo: RepositoryName,
  caller: Caller,
  { history }: Pick<Sources, 'history'>,
): Promise<TimeMoment> {
  if (at.kind === 'time') return secondOf(at.until);
  const { time } = await history.slotAt(repo, at, caller);
  return secondOf(time === undefined ? 0 : Date.parse(time));
}

/** @throws RegistryError `name-unknown` if it did not exist then */
export async function loadPastRepository(
  { place, sort, q, after }: PastRepositoryRequest,
  caller: Caller,
  sources: Sources,
): Promise<PastRepositoryData> {
  const { history } = sources;
  const name = pastNameOf(place, sources);
  const contents = await history.contents(place.repo, place.at, caller);
  const [today, travel] = await Promise.all([
    contentsToday(place.repo, caller, sources),
    loadTravel({ place, reference: undefined, seq: contents.seq }, caller, sources),
  ]);
  const { tags, count, folded, newest } = tagsOf(contents, { sort, q, after, limit: PAGE });
  const digests = tags.map(({ digest }) => digest);
  const summaries = await summariesOf(place, name, digests, caller, sources);
  return {
    ...{ place, name, contents, travel, count, folded },
    tags: tags.map((each) => ({
      ...{ ...each, today: todayOf(each.tag, each.digest, today) },
      ...{ badges: badgesOf(each.digest, contents), summary: summaries.get(each.digest) },
    })),
    next: after + tags.length < count ? after + tags.length : undefined,
    newest: newest?.tag,
    details: newest === undefined ? undefined : await detailsOf(name, newest.digest, caller, sources),
    changes: travel.marks
      .filter(({ seq }) => seq <= contents.seq)
      .slice(-CHANGES)
      .reverse(),
    isHere: today !== undefined,
  };
}

/** @throws RegistryError `name-unknown` and `manifest-unknown`, also if its bytes were freed */
export async function loadPastManifest(
  place: PastPlace,
  reference: Reference,
  caller: Caller,
  sources: Sources,
): Promise<PastManifestData> {
  const { registry, history, inspection, actionsIn } = sources;
  const name = pastNameOf(place, sources);
  const { descriptor, bytes } = await registry.getManifest(name, reference, caller);
  const { digest } = descriptor;
  const contents = await history.contents(place.repo, place.at, caller);
  const [details, travel, today] = await Promise.all([
    inspection.manifest(name, { kind: 'digest', digest }, caller),
    loadTravel({ place, reference, seq: contents.seq }, caller, sources),
    contentsToday(place.repo, caller, sources),
  ]);
  return {
    ...{ place, name, reference, travel, details },
    text: new TextDecoder().decode(bytes),
    tags: contents.tagsOf(digest),
    pushed: contents.pushed(digest),
    today: reference.kind === 'tag' ? todayOf(reference.tag, digest, today) : undefined,
    actions: actionsIn(place.repo, caller),
  };
}

/**
 * By which name clients pull from a repository as it was.
 * @throws RegistryError `route-unknown` if there is none
 */
export function pastNameOf({ repo, at }: PastPlace, { names }: Pick<Sources, 'names'>): RepositoryName {
  const name = names.nameOf({ moment: at, repo });
  if (name !== undefined) return name;
  const why =
    names.prefix === '' ? 'the past of this registry is turned off: PAST_PREFIX is empty' : 'its name is too long';
  throw new RegistryError('route-unknown', `the past of ${repo} cannot be shown: ${why}`);
}

/** @returns undefined if the repository does not exist any more */
async function contentsToday(
  repo: RepositoryName,
  caller: Caller,
  { history }: Pick<Sources, 'history'>,
): Promise<RepositoryContents | undefined> {
  try {
    return await history.contents(repo, undefined, caller);
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'name-unknown') return undefined;
    throw error;
  }
}

function todayOf(tag: Tag, digest: Digest, today: RepositoryContents | undefined): Today {
  const now = today?.tag(tag);
  if (now === undefined) return { kind: 'gone' };
  return now === digest ? { kind: 'same' } : { kind: 'moved', digest: now };
}

async function detailsOf(
  name: RepositoryName,
  digest: Digest,
  caller: Caller,
  { inspection }: Pick<Sources, 'inspection'>,
): Promise<ManifestDetails | undefined> {
  try {
    return await inspection.manifest(name, { kind: 'digest', digest }, caller);
  } catch (error) {
    // Its bytes may have been freed.
    if (error instanceof RegistryError && error.kind === 'manifest-unknown') return undefined;
    throw error;
  }
}
