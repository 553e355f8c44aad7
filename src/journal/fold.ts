import { unreachable } from '../oci/errors.ts';
import type { Digest, Incarnation, Tag } from '../oci/names.ts';
import { type Batch, type JournalEvent, type ManifestPut, NO_SLOT, recordOf, type SlotHash } from './events.ts';
import { Referrers } from './referrers.ts';
import { SortedNames } from './sorted-names.ts';
import type { BlobLink, ManifestRecord, RepositoryFacts, RepositoryUsage } from './state.ts';

/** Stored in snapshots: a snapshot of another version is ignored. */
export const FOLD_VERSION = 2;

/** Estimated bytes of memory of one entry of each kind; they bound the memory of views. */
const WEIGHT = {
  repository: 2_000,
  tag: 250,
  blob: 300,
  manifest: 600,
  ref: 90,
  reference: 120,
  tombstone: 100,
  release: 60,
} as const;

/**
 * The state of a repository: the fold of all batches up to `seq`. Only `apply` changes it, and its result depends only on the state
 * and the batch. Callers pass the batches in order.
 */
export class RepositoryState implements RepositoryFacts {
  seq = 0;
  hash: SlotHash = NO_SLOT;
  exists = false;
  readonly isAhead = false;
  readonly tags = new Map<Tag, Digest>();
  readonly blobs = new Map<Digest, BlobLink>();
  readonly manifests = new Map<Digest, ManifestRecord>();
  /** subject -> the manifests that name it. */
  readonly referrers = new Map<Digest, Referrers>();
  #referrersWeight = 0;
  /** The number of manifests that refer to a digest. */
  readonly referenced = new Map<Digest, number>();
  /** When each unlinked incarnation was unlinked, in milliseconds. Undo and garbage collection need it. */
  readonly tombstones = new Map<Incarnation, number>();
  /** When each tag was last set, in milliseconds. */
  readonly tagTimes = new Map<Tag, number>();
  /** When each manifest last lost a tag, a referring manifest or its subject, in milliseconds; absent if it never did. */
  readonly released = new Map<Digest, number>();
  /** The number of manifests and tags put since this object was created. While it is unchanged, nothing new is referenced. */
  puts = 0;
  /** The weight of all records beyond WEIGHT.manifest each: records of older versions may have megabytes of annotations. */
  #recordWeight = 0;
  /** The bytes of all blobs and manifests. */
  #bytes = 0;
  readonly tagNames = new SortedNames<Tag>(() => this.tags.keys());

  blob(digest: Digest): BlobLink | undefined {
    return this.blobs.get(digest);
  }

  manifest(digest: Digest): ManifestRecord | undefined {
    return this.manifests.get(digest);
  }

  tag(tag: Tag): Digest | undefined {
    return this.tags.get(tag);
  }

  tagsOf(digest: Digest): readonly Tag[] {
    const found: Tag[] = [];
    for (const [tag, target] of this.tags) if (target === digest) found.push(tag);
    return found;
  }

  references(digest: Digest): number {
    return this.referenced.get(digest) ?? 0;
  }

  /** Since when a manifest has been untagged, assuming that it has no tag; milliseconds. */
  untaggedSince(digest: Digest): number | undefined {
    const record = this.manifests.get(digest);
    return record === undefined ? undefined : Math.max(record.at, this.released.get(digest) ?? 0);
  }

  /** Estimated bytes of memory. */
  get weight(): number {
    return (
      WEIGHT.repository +
      this.tags.size * WEIGHT.tag +
      this.blobs.size * WEIGHT.blob +
      this.manifests.size * WEIGHT.manifest +
      this.#recordWeight +
      this.#referrersWeight +
      this.referenced.size * WEIGHT.reference +
      this.tombstones.size * WEIGHT.tombstone +
      this.released.size * WEIGHT.release
    );
  }

  get usage(): RepositoryUsage {
    return { seq: this.seq, exists: this.exists, bytes: this.#bytes, tags: this.tags.size };
  }

  /** @param hash of the slot with this batch */
  apply(batch: Batch, hash: SlotHash): void {
    if (batch.seq !== this.seq + 1 || batch.prev !== this.hash) {
      throw new Error(`slot ${batch.seq} does not follow slot ${this.seq}`);
    }
    const at = Date.parse(batch.at);
    for (const event of batch.events) this.#applyEvent(event, at);
    this.seq = batch.seq;
    this.hash = hash;
  }

  #applyEvent(event: JournalEvent, at: number): void {
    if (event.type !== 'repo.deleted' && event.type !== 'gc.fence') this.exists = true;
    switch (event.type) {
      case 'blob.linked':
        this.#link(event.digest, { size: event.size, inc: event.inc, since: at }, at);
        break;
      case 'blob.unlinked':
        this.#unlink(event.digest, event.inc);
        this.#bury(event.inc, at);
        break;
      case 'manifest.put':
        this.#removeManifest(event.digest, at);
        this.#putManifest(event, at);
        this.puts++;
        break;
      case 'manifest.deleted':
        this.#removeManifest(event.digest, at);
        break;
      case 'tag.set':
        this.#setTag(event.tag, event.digest, at);
        this.puts++;
        break;
      case 'tag.deleted':
        this.#deleteTag(event.tag, at);
        break;
      case 'repo.deleted':
        this.#clear(at);
        break;
      case 'gc.fence':
        if (event.forget !== undefined) this.#forget(Date.parse(event.forget));
        break;
      default:
        unreachable(event);
    }
  }

  #link(digest: Digest, link: BlobLink, at: number): void {
    const before = this.blobs.get(digest);
    this.restoreBlob(digest, link);
    if (before !== undefined && before.inc !== link.inc) this.#bury(before.inc, at);
    this.tombstones.delete(link.inc);
  }

  /** Sets a link. For the fold and its snapshots only. */
  restoreBlob(digest: Digest, link: BlobLink): void {
    this.#bytes += link.size - (this.blobs.get(digest)?.size ?? 0);
    this.blobs.set(digest, link);
  }

  #unlink(digest: Digest, inc: Incarnation): void {
    const link = this.blobs.get(digest);
    if (link?.inc !== inc) return;
    this.blobs.delete(digest);
    this.#bytes -= link.size;
  }

  #setTag(tag: Tag, digest: Digest, at: number): void {
    const before = this.tags.get(tag);
    if (before === undefined) this.tagNames.added(tag);
    else if (before !== digest) this.#release(before, at);
    this.tags.set(tag, digest);
    this.tagTimes.set(tag, at);
  }

  #deleteTag(tag: Tag, at: number): void {
    const before = this.tags.get(tag);
    if (before === undefined) return;
    this.tags.delete(tag);
    this.tagTimes.delete(tag);
    this.tagNames.removed(tag);
    this.#release(before, at);
  }

  #release(digest: Digest, at: number): void {
    if (this.manifests.has(digest)) this.released.set(digest, at);
  }

  #putManifest(event: ManifestPut, at: number): void {
    this.tombstones.delete(event.inc);
    this.restoreManifest(event.digest, recordOf(event, at));
  }

  /** Adds a manifest and everything derived from it, which snapshots omit. For the fold and its snapshots only. */
  restoreManifest(digest: Digest, record: ManifestRecord): void {
    this.manifests.set(digest, record);
    this.#bytes += record.size;
    this.#recordWeight += weightOf(record);
    for (const ref of record.refs) this.referenced.set(ref, this.references(ref) + 1);
    if (record.subject === undefined) return;
    const known = this.referrers.get(record.subject);
    const referrers = known ?? new Referrers();
    if (known === undefined) this.referrers.set(record.subject, referrers);
    const before = known?.weight ?? 0;
    referrers.add(digest, record.artifactType);
    this.#referrersWeight += referrers.weight - before;
  }

  #removeManifest(digest: Digest, at: number): void {
    const manifest = this.manifests.get(digest);
    if (manifest === undefined) return;
    this.manifests.delete(digest);
    this.released.delete(digest);
    for (const referrer of this.referrers.get(digest) ?? []) this.#release(referrer, at);
    this.#bytes -= manifest.size;
    this.#recordWeight -= weightOf(manifest);
    this.#bury(manifest.inc, at);
    for (const ref of manifest.refs) this.#dereference(ref, at);
    if (manifest.subject !== undefined) this.#removeReferrer(manifest.subject, digest, manifest.artifactType);
  }

  #removeReferrer(subject: Digest, digest: Digest, artifactType: string | undefined): void {
    const referrers = this.referrers.get(subject);
    if (referrers === undefined) return;
    this.#referrersWeight -= referrers.weight;
    referrers.delete(digest, artifactType);
    if (referrers.size > 0) this.#referrersWeight += referrers.weight;
    else this.referrers.delete(subject);
  }

  #dereference(digest: Digest, at: number): void {
    this.#release(digest, at);
    const left = this.references(digest) - 1;
    if (left > 0) {
      this.referenced.set(digest, left);
      return;
    }
    this.referenced.delete(digest);
    const blob = this.blobs.get(digest);
    if (blob !== undefined) this.blobs.set(digest, { ...blob, since: at });
  }

  #clear(at: number): void {
    for (const blob of this.blobs.values()) this.#bury(blob.inc, at);
    for (const manifest of this.manifests.values()) this.#bury(manifest.inc, at);
    const { tags, tagTimes, blobs, manifests, released, referrers, referenced } = this;
    for (const each of [tags, tagTimes, blobs, manifests, released, referrers, referenced]) each.clear();
    this.tagNames.reset();
    this.#bytes = 0;
    this.#recordWeight = 0;
    this.#referrersWeight = 0;
    this.exists = false;
  }

  #bury(inc: Incarnation, at: number): void {
    this.tombstones.set(inc, at);
  }

  #forget(before: number): void {
    for (const [inc, at] of this.tombstones) if (at < before) this.tombstones.delete(inc);
  }
}

function weightOf({ refs, artifactType = '', annotations = {} }: ManifestRecord): number {
  let characters = artifactType.length;
  for (const [key, value] of Object.entries(annotations)) characters += key.length + value.length;
  return refs.length * WEIGHT.ref + 2 * characters;
}
