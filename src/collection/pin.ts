import { foldLog, foldUpTo, READ_AHEAD } from '../journal/log.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { lastSlotAt } from '../past/slot-times.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey, EPOCHS, epochOfCondemnedKey } from '../storage/paths.ts';
import { forEachConcurrently } from './concurrently.ts';
import { markedRepositories } from './scan.ts';

/** Logs read at the same time. */
const CONCURRENCY = 4;

/**
 * The slot of each log at a moment, for a hold. Logs without a slot at or before it are left out.
 * @param until milliseconds
 */
export async function positionsAt(reader: StoreReader, until: number): Promise<[RepositoryName, number][]> {
  const positions: [RepositoryName, number][] = [];
  await forEachConcurrently(markedRepositories(reader), CONCURRENCY, async (repo) => {
    const seq = await lastSlotAt(reader, repo, until);
    if (seq > 0) positions.push([repo, seq]);
  });
  return positions.sort(([one], [other]) => (one < other ? -1 : 1));
}

/** The rounds of collection that have begun and not ended. They may delete what a hold created since then keeps. */
export async function openRounds(reader: StoreReader): Promise<Incarnation[]> {
  const open: Incarnation[] = [];
  for await (const { key } of reader.list(EPOCHS)) {
    const id = epochOfCondemnedKey(key);
    if (id !== undefined) open.push(id);
  }
  return open;
}

/** Content that a hold keeps, but whose bytes were freed before it was created. */
export interface Lost {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  readonly size: number;
}

/**
 * What a log linked at a slot and the store no longer has. Only what the log has unlinked since can be lost. To be called once all rounds
 * have ended that had begun before the hold was created.
 */
export async function* lostIn(reader: StoreReader, repo: RepositoryName, seq: number): AsyncGenerator<Lost> {
  const { state: now } = await foldLog(reader, repo, READ_AHEAD);
  if (now.seq === seq) return;
  const then = await foldUpTo(reader, repo, seq, READ_AHEAD);
  for (const [digest, { inc, size }] of [...then.blobs, ...then.manifests]) {
    const isLinked = now.blob(digest)?.inc === inc || now.manifest(digest)?.inc === inc;
    if (!isLinked && (await reader.head(dataKey(inc))) === undefined) yield { repo, digest, size };
  }
}
