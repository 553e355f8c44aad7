import { unreachable } from '../oci/errors.ts';
import type { Digest, Tag } from '../oci/names.ts';
import { type JournalEvent, recordOf } from './events.ts';
import type { BlobLink, ManifestRecord, RepositoryFacts } from './state.ts';

/**
 * The repository as it will be once the current batch is written: the state at n plus the events of earlier commands in the same
 * batch. Readers never see it.
 */
export class PendingFacts implements RepositoryFacts {
  readonly #base: RepositoryFacts;
  readonly #now: number;
  readonly #blobs = new Map<Digest, BlobLink | undefined>();
  readonly #manifests = new Map<Digest, ManifestRecord | undefined>();
  readonly #tags = new Map<Tag, Digest | undefined>();
  /** Changes to the base's number of references. */
  readonly #referenced = new Map<Digest, number>();
  /** Digests that lost a reference in this batch. */
  readonly #released = new Set<Digest>();
  #exists: boolean;
  #cleared = false;
  #absorbed = 0;

  /** @param now the time of the batch, in milliseconds */
  constructor(base: RepositoryFacts, now: number) {
    this.#base = base;
    this.#now = now;
    this.#exists = base.exists;
  }

  get exists(): boolean {
    return this.#exists;
  }

  get isAhead(): boolean {
    return this.#absorbed > 0;
  }

  blob(digest: Digest): BlobLink | undefined {
    const link = this.#blobs.has(digest) || this.#cleared ? this.#blobs.get(digest) : this.#base.blob(digest);
    return link !== undefined && this.#released.has(digest) ? { ...link, since: this.#now } : link;
  }

  manifest(digest: Digest): ManifestRecord | undefined {
    return this.#manifests.has(digest) || this.#cleared ? this.#manifests.get(digest) : this.#base.manifest(digest);
  }

  tag(tag: Tag): Digest | undefined {
    return this.#tags.has(tag) || this.#cleared ? this.#tags.get(tag) : this.#base.tag(tag);
  }

  tagsOf(digest: Digest): readonly Tag[] {
    const kept = this.#cleared ? [] : this.#base.tagsOf(digest).filter((tag) => !this.#tags.has(tag));
    const changed = [...this.#tags].filter(([, target]) => target === digest).map(([tag]) => tag);
    return [...kept, ...changed];
  }

  references(digest: Digest): number {
    return (this.#cleared ? 0 : this.#base.references(digest)) + (this.#referenced.get(digest) ?? 0);
  }

  absorb(event: JournalEvent): void {
    this.#absorbed++;
    if (event.type !== 'repo.deleted' && event.type !== 'gc.fence') this.#exists = true;
    switch (event.type) {
      case 'blob.linked':
        this.#blobs.set(event.digest, { size: event.size, inc: event.inc, since: this.#now });
        break;
      case 'blob.unlinked':
        if (this.blob(event.digest)?.inc === event.inc) this.#blobs.set(event.digest, undefined);
        break;
      case 'manifest.put':
        this.#removeManifest(event.digest);
        this.#manifests.set(event.digest, recordOf(event, this.#now));
        for (const ref of event.refs) this.#count(ref, 1);
        break;
      case 'manifest.deleted':
        this.#removeManifest(event.digest);
        break;
      case 'tag.set':
        this.#tags.set(event.tag, event.digest);
        break;
      case 'tag.deleted':
        this.#tags.set(event.tag, undefined);
        break;
      case 'repo.deleted':
        for (const each of [this.#blobs, this.#manifests, this.#tags, this.#referenced, this.#released]) each.clear();
        this.#cleared = true;
        this.#exists = false;
        break;
      case 'gc.fence':
        break;
      default:
        unreachable(event);
    }
  }

  #removeManifest(digest: Digest): void {
    const manifest = this.manifest(digest);
    if (manifest === undefined) return;
    this.#manifests.set(digest, undefined);
    for (const ref of manifest.refs) {
      this.#count(ref, -1);
      // Whether this was the last reference would need facts that were not fetched. While others remain, `since` has no meaning.
      this.#released.add(ref);
    }
  }

  #count(ref: Digest, by: 1 | -1): void {
    this.#referenced.set(ref, (this.#referenced.get(ref) ?? 0) + by);
  }
}
