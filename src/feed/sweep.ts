import { readSlot } from '../journal/log.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker, slotKey } from '../storage/paths.ts';

export interface SweepPorts {
  readonly driver: StoreReader;
  /** The newest slot of each repository that is noted. */
  readonly reached: ReadonlyMap<RepositoryName, number>;
  /** The newest slot that the views show. */
  readonly newest: (repo: RepositoryName) => Promise<{ readonly seq: number }>;
  readonly hint: (repo: RepositoryName, seq: number) => void;
}

/** Logs that are looked at at the same time. */
const LOOKS = 8;

/**
 * Finds slots that are not noted, because a process ended before it could tell, or because a collection wrote them. Costs one LIST, and
 * one HEAD for each repository about which notes say everything.
 */
export async function sweepNotes(ports: SweepPorts, signal: AbortSignal): Promise<void> {
  let together: RepositoryName[] = [];
  const look = async (): Promise<void> => {
    signal.throwIfAborted();
    await Promise.all(together.map((repo) => lookAt(repo, ports)));
    together = [];
  };
  for await (const { key } of ports.driver.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo === undefined) continue;
    together.push(repo);
    if (together.length === LOOKS) await look();
  }
  await look();
}

async function lookAt(repo: RepositoryName, { driver, reached, newest, hint }: SweepPorts): Promise<void> {
  const noted = reached.get(repo) ?? 0;
  if ((await driver.head(slotKey(repo, noted + 1))) === undefined) return;
  const fenced = await lastFence(driver, repo, noted);
  // A slot may exist that no view shows yet. Once a change is known by the feed, no answer may be without it.
  const { seq } = await newest(repo);
  const known = Math.max(fenced, seq);
  if (known > noted) hint(repo, known);
}

/** The last of the fences that follow a slot directly. Views need not show them, because they change nothing. */
async function lastFence(driver: StoreReader, repo: RepositoryName, after: number): Promise<number> {
  for (let seq = after; ; seq++) {
    const slot = await readSlot(driver, repo, seq + 1);
    if (slot === undefined || slot.batch.events.some(({ type }) => type !== 'gc.fence')) return seq;
  }
}
