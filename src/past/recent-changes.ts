import { LRUCache } from 'lru-cache';
import type { Batch, JournalEvent } from '../journal/events.ts';
import { READ_AHEAD, readSlot } from '../journal/log.ts';
import { listedType } from '../oci/media-types.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import type { RecentChange, RecentChanges } from './interface.ts';

/** Slots read for one page. */
const MAX_SLOTS = 512;

/**
 * Reads the newest changes before a slot. A page may have fewer changes than the limit, or none, though more follow.
 * @param before the slot after the newest that is read
 * @param known what is remembered of slots
 */
export async function readRecentChanges(
  driver: StoreReader,
  repo: RepositoryName,
  before: number,
  limit: number,
  known: SlotChanges = new SlotChanges(),
): Promise<RecentChanges> {
  const changes: RecentChange[] = [];
  const end = Math.max(1, before - MAX_SLOTS);
  for (let next = before - 1; next >= end; next -= READ_AHEAD) {
    const seqs = Array.from({ length: Math.min(READ_AHEAD, next - end + 1) }, (_, index) => next - index);
    for (const [index, own] of (await Promise.all(seqs.map((seq) => known.of(driver, repo, seq)))).entries()) {
      const seq = seqs[index];
      if (own === undefined || seq === undefined) continue;
      changes.push(...own);
      if (changes.length >= limit) return { changes, next: seq > 1 ? seq : undefined };
    }
  }
  return { changes, next: end > 1 ? end : undefined };
}

/** Changes that are remembered, and slots: some have none. */
const [MAX_CHANGES, MAX_KNOWN] = [20_000, 20_000];

/** What slots changed, newest first. It is remembered, because a slot never changes, and pages show many again and again. */
export class SlotChanges {
  readonly #known = new LRUCache<string, readonly RecentChange[]>({
    max: MAX_KNOWN,
    maxSize: MAX_CHANGES,
    sizeCalculation: ({ length }) => Math.max(1, length),
  });

  /** @returns undefined if the slot does not exist */
  async of(driver: StoreReader, repo: RepositoryName, seq: number): Promise<readonly RecentChange[] | undefined> {
    const name = `${repo}@${seq}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const slot = await readSlot(driver, repo, seq);
    if (slot === undefined) return undefined;
    const changes = changesOf(slot.batch).reverse();
    this.#known.set(name, changes);
    return changes;
  }
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
      return { kind: 'referrer-pushed', digest, subject, type: listedType(artifactType) ?? mediaType };
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
