import type { SlotHash } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { foldLog } from '../journal/log.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { CATALOG, repositoryOfMarker } from '../storage/paths.ts';
import { forEachConcurrently } from './concurrently.ts';
import { heldIn } from './held.ts';
import { activeHolds, type Hold } from './holds.ts';
import { LINKED, LiveSet } from './live-set.ts';
import { paced } from './pace.ts';
import type { ScanPorts } from './ports.ts';

/** How far a log was folded. */
export interface LogHead {
  readonly seq: number;
  readonly hash: SlotHash;
}

/** The links of all logs, as of the scan. The caller closes `live`. */
export interface Scan {
  /** Milliseconds. Ages are computed from this moment. */
  readonly startedAt: number;
  readonly repositories: number;
  readonly live: LiveSet;
  /** The holds whose incarnations `live` has. */
  readonly holds: readonly Hold[];
  /** Of at most MAX_HEADS logs; the others are folded again when they are fenced. */
  readonly heads: ReadonlyMap<RepositoryName, LogHead>;
}

/** Logs read at the same time. More would hide more of the store's latency, but each log takes memory while it is folded. */
const SCAN_CONCURRENCY = 4;
const MAX_HEADS = 100_000;
/** Incarnations recorded between two calls of `yieldToRequests`; this many take microseconds. */
const YIELD_EVERY = 32;

/**
 * Folds every log that has a marker.
 * @param visit called with each repository's state
 * @throws RegistryError `log-broken`, because the links of such a log are unknown
 */
export async function scanLogs(
  ports: ScanPorts,
  signal: AbortSignal,
  visit: (repo: RepositoryName, state: RepositoryState) => Promise<void> = async () => {},
): Promise<Scan> {
  const startedAt = ports.now();
  const holds = await activeHolds(ports.driver, startedAt);
  const reader = paced(ports.driver, ports.yieldToRequests);
  const live = new LiveSet(ports.openSpill);
  const heads = new Map<RepositoryName, LogHead>();
  let repositories = 0;
  try {
    await forEachConcurrently(markedRepositories(ports.driver), SCAN_CONCURRENCY, async (repo) => {
      signal.throwIfAborted();
      repositories++;
      const state = ports.resident(repo) ?? (await foldLog(reader, repo)).state;
      // Called first, so that a resident state already includes the slots it appends and the fence need not read them.
      await visit(repo, state);
      // Taken before the state is recorded: the state may advance meanwhile, but only by slots after this head.
      if (heads.size < MAX_HEADS) heads.set(repo, { seq: state.seq, hash: state.hash });
      const { seq } = state;
      await record(state, live, ports.yieldToRequests);
      for await (const inc of heldIn(repo, holds, reader, seq)) await live.add(inc, LINKED);
      await ports.yieldToRequests();
    });
    await live.seal();
  } catch (error) {
    await live.close();
    throw error;
  }
  return { startedAt, repositories, live, holds, heads };
}

/** Reads tombstones last, because a link that is removed meanwhile appears there. */
async function record(state: RepositoryState, live: LiveSet, yieldToRequests: () => Promise<void>): Promise<void> {
  let added = 0;
  for (const [inc, until] of knownTo(state)) {
    const later = live.add(inc, until);
    if (later !== undefined) await later;
    if (++added % YIELD_EVERY === 0) await yieldToRequests();
  }
}

function* knownTo({ blobs, manifests, tombstones }: RepositoryState): Generator<readonly [Incarnation, number]> {
  for (const { inc } of blobs.values()) yield [inc, LINKED];
  for (const { inc } of manifests.values()) yield [inc, LINKED];
  yield* tombstones;
}

/** Every repository with a marker, which every log gets before its first slot. */
export async function* markedRepositories(driver: StoreReader): AsyncGenerator<RepositoryName> {
  for await (const { key } of driver.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo !== undefined) yield repo;
  }
}
