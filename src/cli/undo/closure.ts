import type { JournalEvent } from '../../journal/events.ts';
import type { RepositoryFacts } from '../../journal/state.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';
import type { Restoration, WantedBlob, WantedManifest } from '../../registry/restoration.ts';

/** The records of a log for a digest, which is a blob, a manifest, or both. */
export interface Known {
  readonly blob?: WantedBlob;
  readonly manifest?: WantedManifest;
}

/** The records of a repository for a digest. */
export function knownOf(facts: RepositoryFacts, digest: Digest): Known {
  const link = facts.blob(digest);
  const record = facts.manifest(digest);
  const known: { blob?: WantedBlob; manifest?: WantedManifest } = {};
  if (link !== undefined) known.blob = { digest, size: link.size, incs: [link.inc] };
  if (record !== undefined) {
    const { inc, at: _, refs, annotations, ...rest } = record;
    known.manifest = {
      digest,
      ...rest,
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      refs: [...refs],
      incs: [inc],
    };
  }
  return known;
}

/** Manifests with everything they refer to, however deep. */
export class Closure {
  readonly blobs = new Map<Digest, WantedBlob>();
  readonly manifests = new Map<Digest, WantedManifest>();
  /** Referenced digests that were not known. */
  readonly unknown = new Set<Digest>();

  /** @param look returns the records for a digest */
  constructor(roots: Iterable<Digest>, look: (digest: Digest) => Known) {
    const left = [...roots];
    for (let digest = left.pop(); digest !== undefined; digest = left.pop()) {
      if (this.has(digest)) continue;
      const { blob, manifest } = look(digest);
      if (blob !== undefined) this.blobs.set(digest, blob);
      if (manifest !== undefined) {
        this.manifests.set(digest, manifest);
        left.push(...manifest.refs);
      }
      if (blob === undefined && manifest === undefined) this.unknown.add(digest);
    }
  }

  has(digest: Digest): boolean {
    return this.blobs.has(digest) || this.manifests.has(digest);
  }

  /** All entries. A digest that is both blob and manifest has two. */
  *entries(): Iterable<WantedBlob | WantedManifest> {
    yield* this.blobs.values();
    yield* this.manifests.values();
  }

  /** Adds the object of a later link of the same digest. */
  follow(event: JournalEvent): void {
    if (event.type === 'blob.linked') addInc(this.blobs, event.digest, event.inc);
    if (event.type === 'manifest.put') addInc(this.manifests, event.digest, event.inc);
  }

  take(other: Closure): void {
    for (const [digest, blob] of other.blobs) if (!this.blobs.has(digest)) this.blobs.set(digest, blob);
    for (const [digest, each] of other.manifests) if (!this.manifests.has(digest)) this.manifests.set(digest, each);
  }

  wanted(): Pick<Restoration, 'blobs' | 'manifests'> {
    return { blobs: [...this.blobs.values()], manifests: [...this.manifests.values()] };
  }
}

function addInc<T extends WantedBlob | WantedManifest>(to: Map<Digest, T>, digest: Digest, inc: Incarnation): void {
  const known = to.get(digest);
  if (known === undefined || known.incs.includes(inc)) return;
  to.set(digest, { ...known, incs: [...known.incs, inc] });
}
