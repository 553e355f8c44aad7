import type { JournalEvent } from '../journal/events.ts';
import { unreachable } from '../oci/errors.ts';
import type { Digest, Incarnation } from '../oci/names.ts';

/** Bytes that a log binds a digest to. */
export interface Link {
  readonly digest: Digest;
  readonly inc: Incarnation;
  readonly size: number;
}

/**
 * The links that slots of a log made and that still exist after the last of them. For all slots from the first one on these are all
 * links of the repository; for later ones, those that were added.
 */
export class Links {
  readonly #blobs = new Map<Digest, Link>();
  readonly #manifests = new Map<Digest, Link>();

  apply(events: readonly JournalEvent[]): void {
    for (const event of events) this.#apply(event);
  }

  #apply(event: JournalEvent): void {
    switch (event.type) {
      case 'blob.linked':
        this.#blobs.set(event.digest, linkOf(event));
        break;
      case 'blob.unlinked':
        if (this.#blobs.get(event.digest)?.inc === event.inc) this.#blobs.delete(event.digest);
        break;
      case 'manifest.put':
        this.#manifests.set(event.digest, linkOf(event));
        break;
      case 'manifest.deleted':
        this.#manifests.delete(event.digest);
        break;
      case 'repo.deleted':
        this.#blobs.clear();
        this.#manifests.clear();
        break;
      case 'tag.set':
      case 'tag.deleted':
      case 'gc.fence':
        break;
      default:
        unreachable(event);
    }
  }

  get size(): number {
    return this.#blobs.size + this.#manifests.size;
  }

  *[Symbol.iterator](): Generator<Link> {
    yield* this.#blobs.values();
    yield* this.#manifests.values();
  }
}

function linkOf({ digest, inc, size }: Link): Link {
  return { digest, inc, size };
}
