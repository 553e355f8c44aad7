import type { RepositoryState } from '../journal/fold.ts';
import { READ_AHEAD, slotsAfter } from '../journal/log.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { Page, SlotsShown } from '../projection/projection.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import type { DiffSide } from './diff-side.ts';
import type {
  History,
  ManifestAt,
  RecentChanges,
  RecentPage,
  RepositoryAt,
  RepositoryContents,
  RepositoryRequest,
  SlotTime,
  TagAt,
  TagHistoryPage,
} from './interface.ts';
import { compareManifests, type ManifestDiff } from './manifest-diff.ts';
import { type ManifestReads, readCompared } from './manifest-reads.ts';
import { formatTime, type Moment } from './moment.ts';
import type { PastState, PastStates } from './past-states.ts';
import { readRecentChanges, SlotChanges } from './recent-changes.ts';
import { compareRepositories, type RepositoryDiff } from './repository-diff.ts';
import { type RecordedTagChange, TagHistory } from './tag-history.ts';

export interface HistoryPorts extends ManifestReads {
  readonly states: PastStates;
  readonly views: SlotsShown;
}

/** Slots read for one page of a tag's history. */
const MAX_SLOTS = 10_000;
/** Estimated bytes of a page of manifests, as in a list of referrers: annotations may be long. A single manifest may need more. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** Fewer names are not worth a cut. */
const MIN_SORTED = 1_000;

/** Answers from the slots of the logs and from the states that they fold to. */
export class HistoryService implements History {
  readonly #ports: HistoryPorts;
  readonly #changes = new SlotChanges();

  constructor(ports: HistoryPorts) {
    this.#ports = ports;
  }

  async tagHistory(
    repo: RepositoryName,
    tag: Tag,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): Promise<TagHistoryPage> {
    const { driver, states, views, yieldToRequests } = this.#ports;
    const before = after === 0 ? undefined : (await states.at(repo, { kind: 'slot', seq: after })).state.tag(tag);
    const history = new TagHistory(tag, before);
    const changes: RecordedTagChange[] = [];
    let last = after;
    for await (const { batch } of slotsAfter(driver, repo, after, READ_AHEAD)) {
      // Changes of one slot stay on one page.
      if (changes.length >= limit || last - after === MAX_SLOTS) return { changes, next: last };
      changes.push(...history.read(batch));
      last = batch.seq;
      await yieldToRequests();
    }
    if (last === 0) throw nameUnknown(repo);
    await views.shown(repo, last);
    if (after === 0 && changes.length === 0) {
      throw new RegistryError('manifest-unknown', `${repo} never had a tag ${tag}`, { tag });
    }
    return { changes, next: undefined };
  }

  async repositoryAt(
    repo: RepositoryName,
    at: Moment | undefined,
    { limit, tagsAfter, manifestsAfter, subject }: RepositoryRequest,
  ): Promise<RepositoryAt> {
    const { state, time } = await this.#existing(repo, at);
    const tags = state.tagNames.page(tagsAfter, limit);
    const manifests =
      subject === undefined
        ? digestsPage(state, manifestsAfter, limit)
        : (state.referrers.get(subject)?.page(undefined, manifestsAfter, limit) ?? { names: [], more: false });
    return {
      seq: state.seq,
      time,
      counts: { tags: state.tags.size, manifests: state.manifests.size, blobs: state.blobs.size },
      bytes: state.usage.bytes,
      tags: pageOf(tags, (tag) => tagAt(state, tag)),
      manifests: fitting(pageOf(manifests, (digest) => manifestAt(state, digest))),
    };
  }

  async diff(repo: RepositoryName, from: DiffSide, to: DiffSide): Promise<RepositoryDiff | ManifestDiff> {
    if (from.kind === 'moment' && to.kind === 'moment') {
      const [before, after] = [
        await this.#ports.states.at(repo, from.moment),
        await this.#ports.states.at(repo, to.moment),
      ];
      const isEmpty = before.state.seq === 0 && after.state.seq === 0;
      if (isEmpty && (await this.#ports.states.newestSlot(repo)) === 0) throw nameUnknown(repo);
      return compareRepositories(before, after);
    }
    if (from.kind === 'moment' || to.kind === 'moment') {
      throw new RegistryError(
        'request-invalid',
        'compare two moments, or two tags or digests; a tag that reads as a moment is written tag:12',
      );
    }
    const [before, after] = [await this.#compared(repo, from), await this.#compared(repo, to)];
    await this.#ports.yieldToRequests();
    return compareManifests(before, after);
  }

  async contents(repo: RepositoryName, at: Moment | undefined): Promise<RepositoryContents> {
    const { state, time } = await this.#existing(repo, at);
    return contentsOf(state, time);
  }

  async slotAt(repo: RepositoryName, at: Moment): Promise<SlotTime> {
    const { state, time } = await this.#ports.states.at(repo, at);
    return { seq: state.seq, time };
  }

  async recentChanges(repo: RepositoryName, { before, limit }: RecentPage): Promise<RecentChanges> {
    const { driver, states } = this.#ports;
    const seq = await states.newestSlot(repo);
    if (seq === 0) throw nameUnknown(repo);
    const end = Math.min(before ?? Number.POSITIVE_INFINITY, seq + 1);
    return await readRecentChanges(driver, repo, end, limit, this.#changes);
  }

  async #compared(repo: RepositoryName, { reference, at }: Extract<DiffSide, { kind: 'manifest' }>) {
    const { state, time } = await this.#existing(repo, at);
    return await readCompared({ repo, state, time }, reference, this.#ports);
  }

  async #existing(repo: RepositoryName, at: Moment | undefined): Promise<PastState> {
    const past = await this.#ports.states.at(repo, at);
    if (past.state.exists) return past;
    if (at === undefined) throw nameUnknown(repo);
    const when = at.kind === 'slot' ? `slot ${at.seq}` : formatTime(at.until);
    throw new RegistryError('name-unknown', `there was no repository ${repo} at ${when}`, { name: repo });
  }
}

/** The manifests after `after` in the order of their digests. */
function digestsPage(
  { manifests }: RepositoryState,
  after: Digest | undefined,
  limit: number,
): { readonly names: readonly Digest[]; readonly more: boolean } {
  let names: Digest[] = [];
  let isCut = false;
  const cut = (): void => {
    names.sort();
    isCut ||= names.length > limit;
    names = names.slice(0, limit);
  };
  for (const digest of manifests.keys()) {
    if (after !== undefined && digest <= after) continue;
    names.push(digest);
    // Sorting all of a big repository would take longer than the rest of the page.
    if (names.length >= 2 * limit + MIN_SORTED) cut();
  }
  cut();
  return { names, more: isCut };
}

function pageOf<N, T>(
  { names, more }: { readonly names: readonly N[]; readonly more: boolean },
  describe: (name: N) => T | undefined,
): Page<T> {
  return { items: names.map(describe).filter((each) => each !== undefined), more };
}

/** The first manifests that fit into a page. */
function fitting({ items, more }: Page<ManifestAt>): Page<ManifestAt> {
  let bytes = 0;
  const tooMany = items.findIndex((manifest, index) => {
    bytes += JSON.stringify(manifest).length;
    return index > 0 && bytes > MAX_PAGE_BYTES;
  });
  return tooMany < 0 ? { items, more } : { items: items.slice(0, tooMany), more: true };
}

function tagAt(state: RepositoryState, tag: Tag): TagAt | undefined {
  const digest = state.tag(tag);
  return digest === undefined ? undefined : { tag, digest, set: isoOf(state.tagTimes.get(tag) ?? 0) };
}

function manifestAt(state: RepositoryState, digest: Digest): ManifestAt | undefined {
  const record = state.manifest(digest);
  if (record === undefined) return undefined;
  const { mediaType, size, artifactType, annotations, subject, at } = record;
  const referrers = state.referrers.get(digest)?.size ?? 0;
  return { mediaType, digest, size, artifactType, annotations, subject, pushed: isoOf(at), referrers };
}

/** The state is shared with other requests, and not modified. */
function contentsOf(state: RepositoryState, time: string | undefined): RepositoryContents {
  return {
    seq: state.seq,
    time,
    counts: { tags: state.tags.size, manifests: state.manifests.size, blobs: state.blobs.size },
    bytes: state.usage.bytes,
    tag: (tag) => state.tag(tag),
    tagsOf: (digest) => state.tagsOf(digest),
    tags: () => tagsIn(state),
    referrers: (digest, limit) => {
      const { names = [] } = state.referrers.get(digest)?.page(undefined, undefined, limit) ?? {};
      return names.flatMap((name) => state.manifest(name) ?? []);
    },
    pushed: (digest) => state.manifest(digest)?.at,
  };
}

function* tagsIn(state: RepositoryState): Generator<{ tag: Tag; digest: Digest; set: number }> {
  for (const [tag, set] of state.tagTimes) {
    const digest = state.tag(tag);
    if (digest !== undefined) yield { tag, digest, set };
  }
}

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
