import type { Batch, JournalEvent } from '../journal/events.ts';
import type { Digest, Tag } from '../oci/names.ts';

/** One change of a tag, as the log recorded it. */
export interface RecordedTagChange {
  readonly action: 'set' | 'deleted';
  /** The digest that the tag was set to, or pointed to when it was deleted. */
  readonly digest: Digest;
  /** Whether its manifest or repository was deleted with it; undefined if only the tag was. */
  readonly with?: 'manifest' | 'repository';
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  /** The process that wrote it. */
  readonly node: string;
  readonly actor?: string;
}

/** Follows one tag along the log. */
export class TagHistory {
  readonly #tag: Tag;
  #current: Digest | undefined;

  /** @param current what the tag points to before the first batch that is read */
  constructor(tag: Tag, current?: Digest) {
    this.#tag = tag;
    this.#current = current;
  }

  read(batch: Batch): RecordedTagChange[] {
    const changes: RecordedTagChange[] = [];
    for (const event of batch.events) {
      const change = this.#changeOf(event, batch);
      if (change === undefined) continue;
      const { seq, at, node } = batch;
      changes.push({ ...change, seq, at, node, ...(event.actor === undefined ? {} : { actor: event.actor }) });
    }
    return changes;
  }

  #changeOf(event: JournalEvent, batch: Batch): Pick<RecordedTagChange, 'action' | 'digest' | 'with'> | undefined {
    const before = this.#current;
    switch (event.type) {
      case 'tag.set':
        if (event.tag !== this.#tag) return undefined;
        this.#current = event.digest;
        return { action: 'set', digest: event.digest };
      case 'tag.deleted':
        if (event.tag !== this.#tag || before === undefined) return undefined;
        this.#current = undefined;
        return { action: 'deleted', digest: before, ...(deletesManifest(batch, before) ? { with: 'manifest' } : {}) };
      case 'repo.deleted':
        if (before === undefined) return undefined;
        this.#current = undefined;
        return { action: 'deleted', digest: before, with: 'repository' };
      default:
        return undefined;
    }
  }
}

/** Whether the batch also deletes the manifest, so that the tag was deleted because of it. */
function deletesManifest(batch: Batch, digest: Digest): boolean {
  return batch.events.some((event) => event.type === 'manifest.deleted' && event.digest === digest);
}
