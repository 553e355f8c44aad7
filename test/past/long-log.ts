// A data folder with a long log, written without a server: as many pushes by clients would take minutes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { JournalEvent } from '../../src/journal/events.ts';
import { BATCH_VERSION, encodeBatch, hashSlot, NO_SLOT } from '../../src/journal/events.ts';
import { RepositoryState } from '../../src/journal/fold.ts';
import { encodeSnapshot } from '../../src/journal/snapshot.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_INDEX } from '../../src/oci/media-types.ts';
import type { RepositoryName, Tag } from '../../src/oci/names.ts';
import { markerKey, slotKey, snapshotKey } from '../../src/storage/paths.ts';
import { countingIncarnations } from '../support/deterministic.ts';

export const LONG = 'team/long' as RepositoryName;
const BEGIN = Date.UTC(2026, 0, 1);
/** Between two slots, in milliseconds. */
export const STEP = 60_000;

/** When a slot was written, in milliseconds. */
export function timeOfSlot(seq: number): number {
  return BEGIN + seq * STEP;
}

/** Each slot puts a manifest and moves the tag `latest` to it. @param snapshots after how many slots there is one; 0: none */
export async function writeLongLog(dataPath: string, slots: number, snapshots: number): Promise<void> {
  const newId = countingIncarnations(() => BEGIN, 1);
  const write = (key: string, bytes: Uint8Array): void => {
    const path = join(dataPath, key);
    if (!folders.has(dirname(path))) mkdirSync(dirname(path), { recursive: true });
    folders.add(dirname(path));
    writeFileSync(path, bytes);
  };
  const folders = new Set<string>();
  const state = new RepositoryState();
  write(markerKey(LONG), new Uint8Array());
  let prev = NO_SLOT;
  for (let seq = 1; seq <= slots; seq++) {
    const digest = digestOf('sha256', Buffer.from(`manifest ${seq}`));
    const events: JournalEvent[] = [
      { type: 'manifest.put', digest, size: 400, inc: newId(), mediaType: OCI_INDEX, refs: [], actor: 'anonymous' },
      { type: 'tag.set', tag: 'latest' as Tag, digest, actor: 'anonymous' },
    ];
    const at = new Date(timeOfSlot(seq)).toISOString();
    const batch = { v: BATCH_VERSION, repo: LONG, seq, prev, batch: newId(), node: 'n', at, events };
    const bytes = encodeBatch(batch);
    prev = hashSlot(bytes);
    write(slotKey(LONG, seq), bytes);
    state.apply(batch, prev);
    if (snapshots > 0 && seq % snapshots === 0) write(snapshotKey(LONG, seq), await encodeSnapshot(LONG, state));
  }
}
