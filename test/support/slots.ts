// Logs made of given events, and the state of a repository in a comparable form.
import {
  BATCH_VERSION,
  type Batch,
  encodeBatch,
  hashSlot,
  type JournalEvent,
  NO_SLOT,
} from '../../src/journal/events.ts';
import { RepositoryState } from '../../src/journal/fold.ts';
import type { RepositoryFacts } from '../../src/journal/state.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { markerKey, slotKey } from '../../src/storage/paths.ts';
import { countingIncarnations } from './deterministic.ts';
import { EVENTS_BEGIN, FEW } from './generators.ts';

export const REPO = 'team/app' as RepositoryName;

export interface WrittenSlot {
  readonly batch: Batch;
  readonly bytes: Uint8Array;
  readonly hash: string;
}

/** When the slot is written, in milliseconds. */
export function slotTime(seq: number): number {
  return EVENTS_BEGIN + seq * 1000;
}

/** A chain of slots from 1 with these events. */
export function slotsOf(batches: readonly (readonly JournalEvent[])[], repo: RepositoryName = REPO): WrittenSlot[] {
  const newId = countingIncarnations(() => EVENTS_BEGIN, 9999);
  let prev = NO_SLOT;
  return batches.map((events, index) => {
    const seq = index + 1;
    const at = new Date(slotTime(seq)).toISOString();
    const batch: Batch = { v: BATCH_VERSION, repo, seq, prev, batch: newId(), node: 'n', at, events: [...events] };
    const bytes = encodeBatch(batch);
    prev = hashSlot(bytes);
    return { batch, bytes, hash: prev };
  });
}

/** The fold of these slots. */
export function foldOf(slots: readonly WrittenSlot[]): RepositoryState {
  const state = new RepositoryState();
  for (const { batch, hash } of slots) state.apply(batch, hash);
  return state;
}

/** Puts a log into a store, as if other processes had written it. */
export async function writeLog(driver: StorageDriver, slots: readonly WrittenSlot[]): Promise<void> {
  for (const { batch, bytes } of slots) {
    await driver.create(markerKey(batch.repo), new Uint8Array());
    await driver.create(slotKey(batch.repo, batch.seq), bytes);
  }
}

/** Every fact about the names that generated events use. */
export function factsOf(facts: RepositoryFacts): unknown {
  const digests = [...FEW.blobs, ...FEW.manifests];
  return {
    exists: facts.exists,
    // No decision within a batch depends on `since`.
    blobs: FEW.blobs.map((digest) => {
      const link = facts.blob(digest);
      return link && { size: link.size, inc: link.inc };
    }),
    manifests: FEW.manifests.map((digest) => facts.manifest(digest)),
    tags: FEW.tags.map((tag) => facts.tag(tag)),
    tagsOf: FEW.manifests.map((digest) => [...facts.tagsOf(digest)].sort()),
    references: digests.map((digest) => facts.references(digest)),
  };
}

/** The whole state, including parts that no decision uses; independent of the order of entries. */
export function everythingOf(state: RepositoryState): unknown {
  return {
    seq: state.seq,
    hash: state.hash,
    facts: factsOf(state),
    tags: state.tagNames.page(undefined, 1000).names,
    referrers: [...state.referrers].map(([subject, set]) => [subject, [...set].sort()]).sort(),
    referenced: [...state.referenced].sort(),
    tombstones: [...state.tombstones].sort(),
    tagTimes: [...state.tagTimes].sort(),
    released: [...state.released].sort(),
    weight: state.weight,
    usage: state.usage,
  };
}
