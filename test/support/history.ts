// A slow and simple model of the views: it searches all events for each answer.
import type { JournalEvent, ManifestPut } from '../../src/journal/events.ts';
import { recordOf } from '../../src/journal/events.ts';
import type { BlobLink, ManifestRecord, RepositoryFacts } from '../../src/journal/state.ts';
import type { Digest, Tag } from '../../src/oci/names.ts';

interface Happened {
  readonly event: JournalEvent;
  /** Milliseconds. */
  readonly at: number;
}

/** Everything that happened to a repository, in order. */
export class History implements RepositoryFacts {
  readonly isAhead = false;
  readonly #happened: Happened[] = [];

  add(events: readonly JournalEvent[], at: number): void {
    for (const event of events) this.#happened.push({ event, at });
  }

  get exists(): boolean {
    const last = this.#happened.findLast(({ event }) => event.type !== 'gc.fence');
    return last !== undefined && last.event.type !== 'repo.deleted';
  }

  tag(tag: Tag): Digest | undefined {
    const last = this.#life().findLast(({ event }) => 'tag' in event && event.tag === tag);
    return last?.event.type === 'tag.set' ? last.event.digest : undefined;
  }

  tagNames(): Tag[] {
    const named = this.#life().flatMap(({ event }) => (event.type === 'tag.set' ? [event.tag] : []));
    return [...new Set(named)].filter((tag) => this.tag(tag) !== undefined).sort();
  }

  tagsOf(digest: Digest): Tag[] {
    return this.tagNames().filter((tag) => this.tag(tag) === digest);
  }

  manifest(digest: Digest): ManifestRecord | undefined {
    return manifestsAfter(this.#life()).get(digest);
  }

  references(digest: Digest): number {
    return referencesIn(manifestsAfter(this.#life()), digest);
  }

  referrers(subject: Digest): Digest[] {
    return [...manifestsAfter(this.#life())]
      .filter(([, record]) => record.subject === subject)
      .map(([digest]) => digest)
      .sort();
  }

  blob(digest: Digest): BlobLink | undefined {
    let link: BlobLink | undefined;
    const life = this.#life();
    for (const [index, { event, at }] of life.entries()) {
      if (event.type === 'blob.linked' && event.digest === digest)
        link = { size: event.size, inc: event.inc, since: at };
      if (event.type === 'blob.unlinked' && event.digest === digest && event.inc === link?.inc) link = undefined;
      if (link !== undefined && lostItsLast(digest, life.slice(0, index), event)) link = { ...link, since: at };
    }
    return link;
  }

  /** When the tag was last set, in milliseconds. */
  tagTime(tag: Tag): number | undefined {
    if (this.tag(tag) === undefined) return undefined;
    return this.#life().findLast(({ event }) => event.type === 'tag.set' && event.tag === tag)?.at;
  }

  /** When the manifest was put, or lost a tag, a manifest that refers to it, or its subject: whichever was last. */
  untaggedSince(digest: Digest): number | undefined {
    const life = this.#life();
    let since = this.manifest(digest)?.at;
    for (const [index, { event, at }] of life.entries()) {
      const before = life.slice(0, index);
      if (since !== undefined && at > since && lost(digest, before, event)) since = at;
    }
    return since;
  }

  /** The events since the repository was last deleted. */
  #life(): Happened[] {
    return this.#happened.slice(this.#happened.findLastIndex(({ event }) => event.type === 'repo.deleted') + 1);
  }
}

/** Whether the event removed or replaced the only manifest that referred to the blob. */
function lostItsLast(digest: Digest, before: readonly Happened[], event: JournalEvent): boolean {
  if (event.type !== 'manifest.deleted' && event.type !== 'manifest.put') return false;
  const manifests = manifestsAfter(before);
  const had = referencesIn(manifests, digest);
  manifests.delete(event.digest);
  return had > 0 && referencesIn(manifests, digest) === 0;
}

/** Whether the manifest loses a tag, a manifest that refers to it, or its subject by the event. */
function lost(digest: Digest, before: readonly Happened[], event: JournalEvent): boolean {
  if (event.type === 'tag.set' || event.type === 'tag.deleted') {
    const last = before.findLast((each) => 'tag' in each.event && each.event.tag === event.tag)?.event;
    const moves = event.type === 'tag.deleted' || event.digest !== digest;
    return moves && last?.type === 'tag.set' && last.digest === digest;
  }
  if (event.type !== 'manifest.deleted' && event.type !== 'manifest.put') return false;
  const manifests = manifestsAfter(before);
  const gone = manifests.get(event.digest);
  return gone !== undefined && (gone.refs.includes(digest) || manifests.get(digest)?.subject === event.digest);
}

function manifestsAfter(happened: readonly Happened[]): Map<Digest, ManifestRecord> {
  const manifests = new Map<Digest, ManifestRecord>();
  const put = (event: ManifestPut, at: number) => manifests.set(event.digest, recordOf(event, at));
  for (const { event, at } of happened) {
    if (event.type === 'manifest.put') put(event, at);
    if (event.type === 'manifest.deleted') manifests.delete(event.digest);
  }
  return manifests;
}

function referencesIn(manifests: ReadonlyMap<Digest, ManifestRecord>, digest: Digest): number {
  return [...manifests.values()].flatMap(({ refs }) => refs).filter((ref) => ref === digest).length;
}
