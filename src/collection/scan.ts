import type { SlotHash } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { foldLog } from '../journal/log.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker } from '../storage/paths.ts';
import { LINKED, LiveSet } from './live-set.ts';
import { paced } from './pace.ts';
import type { ScanPorts } from './ports.ts';
import { forEachTogether } from './together.ts';

/** How far a log was folded. */
export interface LogHead {
  readonly seq: number;
  readonly hash: SlotHash;
}

/** What all logs said when they were scanned. To be closed. */
export interface Scan {
  /** When it began, in milliseconds: what counts as old is counted from here. */
  readonly startedAt: number;
  readonly repositories: number;
  readonly live: LiveSet;
  /** Of as many logs as may be remembered; others are folded again when they are fenced. */
  readonly heads: ReadonlyMap<RepositoryName, LogHead>;
}

/** Logs that are looked at together: their answers come from far away, and each is folded into memory. */
const TOGETHER = 4;
const HEADS_KEPT = 100_000;
/** Incarnations of a log that are remembered in a row: microseconds. */
const BETWEEN_BREATHS = 32;

/**
 * Looks through all logs, the markers name them.
 * @param visit is given each repository's state before it is dropped
 * @throws RegistryError `log-broken`: what that log links nobody can tell
 */
export async function scanLogs(
  ports: ScanPorts,
  signal: AbortSignal,
  visit: (repo: RepositoryName, state: RepositoryState) => Promise<void> = async () => {},
): Promise<Scan> {
  const startedAt = ports.now();
  const reader = paced(ports.driver, ports.breathe);
  const live = new LiveSet(ports.openSpill);
  const heads = new Map<RepositoryName, LogHead>();
  let repositories = 0;
  try {
    await forEachTogether(markedRepositories(ports.driver), TOGETHER, async (repo) => {
      signal.throwIfAborted();
      repositories++;
      const state = ports.resident(repo) ?? (await foldLog(reader, repo)).state;
      // First: what that appends moves a state that is in memory anyway, and need not be read again when the log is fenced.
      await visit(repo, state);
      // Before the state is read: it may move meanwhile, and what moves it lies behind this slot.
      if (heads.size < HEADS_KEPT) heads.set(repo, { seq: state.seq, hash: state.hash });
      await remember(state, live, ports.breathe);
      await ports.breathe();
    });
    await live.seal();
  } catch (error) {
    await live.close();
    throw error;
  }
  return { startedAt, repositories, live, heads };
}

/** Tombstones come last: what is unlinked while this goes on is found there. */
async function remember(state: RepositoryState, live: LiveSet, breathe: () => Promise<void>): Promise<void> {
  let added = 0;
  for (const [inc, until] of knownTo(state)) {
    const later = live.add(inc, until);
    if (later !== undefined) await later;
    if (++added % BETWEEN_BREATHS === 0) await breathe();
  }
}

function* knownTo({ blobs, manifests, tombstones }: RepositoryState): Generator<readonly [Incarnation, number]> {
  for (const { inc } of blobs.values()) yield [inc, LINKED];
  for (const { inc } of manifests.values()) yield [inc, LINKED];
  yield* tombstones;
}

/** All repositories that have a marker, and so all that may have a log. */
export async function* markedRepositories(driver: StoreReader): AsyncGenerator<RepositoryName> {
  for await (const { key } of driver.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo !== undefined) yield repo;
  }
}
