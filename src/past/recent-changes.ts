import type { Batch, JournalEvent } from '../journal/events.ts';
import { READ_AHEAD, readSlot } from '../journal/log.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import type { RecentChange, RecentChanges } from './interface.ts';

/** Slots read for one page. */
const MAX_SLOTS = 512;

/**
 * Reads the newest changes before a slot. A page may have fewer changes than the limit, or none, though more follow.
 * @param before the slot after the newest that is read
 */
export async function readRecentChanges(
  driver: StoreReader,
  repo: RepositoryName,
  before: number,
  limit: number,
): Promise<RecentChanges> {
  const changes: RecentChange[] = [];
  const end = Math.max(1, before - MAX_SLOTS);
  for (let next = before - 1; next >= end; next -= READ_AHEAD) {
    const seqs = Array.from({ length: Math.min(READ_AHEAD, next - end + 1) }, (_, index) => next - index);
    for (const slot of await Promise.all(seqs.map((seq) => readSlot(driver, repo, seq)))) {
      if (slot === undefined) continue;
      changes.push(...changesOf(slot.batch).reverse());
      const { seq } = slot.batch;
      if (changes.length >= limit) return { changes, next: seq > 1 ? seq : undefined };
    }
  }
  return { changes, next: end > 1 ? end : undefined };
}

/** In the order of the batch. Pure. */
export function changesOf({ seq, at, events }: Batch): RecentChange[] {
  return events.flatMap((event) => {
    const change = changeOf(event);
    return change === undefined ? [] : [{ seq, at: Date.parse(at), actor: event.actor, ...change }];
  });
}

type Unplaced = RecentChange extends infer Change
  ? Change extends RecentChange
    ? Omit<Change, 'seq' | 'at' | 'actor'>
    : never
  : never;

function changeOf(event: JournalEvent): Unplaced | undefined {
  switch (event.type) {
    case 'tag.set':
      return { kind: 'tag-set', tag: event.tag, digest: event.digest, previous: event.prev };
    case 'tag.deleted':
      return { kind: 'tag-deleted', tag: event.tag, digest: event.prev };
    case 'manifest.put': {
      const { digest, subject, artifactType, mediaType } = event;
      if (subject === undefined) return undefined;
      return { kind: 'referrer-pushed', digest, subject, type: artifactType ?? mediaType };
    }
    case 'manifest.deleted':
      return { kind: 'manifest-deleted', digest: event.digest };
    case 'repo.deleted':
      return { kind: 'repository-deleted' };
    case 'blob.linked':
    case 'blob.unlinked':
    case 'gc.fence':
      return undefined;
  }
}
