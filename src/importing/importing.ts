import { finish } from '../oci/strict-json.ts';
import { ContentCache } from '../registry/content-cache.ts';
import { Manifests } from '../registry/manifests.ts';
import { NO_POLICY } from '../registry/policy.ts';
import type { StoreReader } from '../storage/driver.ts';
import { DryRun } from './dry-run.ts';
import { importLayers } from './layers.ts';
import { importManifests } from './manifests.ts';
import type { Import, ImportPorts } from './ports.ts';
import type { ImportReport, ImportRequest } from './report.ts';
import type { ImportSource } from './source.ts';
import { importTags } from './tags.ts';
import { type Listeners, Tally } from './tally.ts';
import { type Taker, walkSource } from './walk.ts';

/** Effectively no cache: nothing reads a manifest that was just put. */
const NO_CACHE_BYTES = 1;

export interface ImportWish extends Pick<ImportRequest, 'trust' | 'moveTags' | 'counted'> {
  readonly source: ImportSource;
  readonly listeners: Listeners;
  readonly signal: AbortSignal;
}

/**
 * Takes over all that a source has. It may be stopped at any point and repeated, because content that is already present is skipped.
 */
export async function importAll(wish: ImportWish, ports: ImportPorts): Promise<ImportReport> {
  const deferred: (() => Promise<void>)[] = [];
  const manifests = new Manifests({
    ...ports,
    cache: new ContentCache(NO_CACHE_BYTES),
    // The import yields between manifests, not within one.
    parse: (_, steps) => finish(steps),
    // Manifests are put without tags here, so no push time is tracked.
    policy: NO_POLICY,
    // Awaited at the end, so that a failure fails the import.
    runInBackground: (_, work) => void deferred.push(work),
  });
  const report = await walk(wish, ports, (tally) => {
    const { source, signal, trust, moveTags } = wish;
    const run: Import = { ...ports, source, signal, trust, moveTags, tally, contradicted: new Set() };
    return {
      layers: (repo, entries) => importLayers(repo, entries, run),
      manifests: (repo, entries) => importManifests(repo, entries, manifests, run),
      tags: (repo, entries) => importTags(repo, entries, run),
    };
  });
  for (const work of deferred) await work();
  return report;
}

export interface DryRunWish extends ImportWish, WalkingPorts {
  /** Our store; undefined if there is none yet. */
  readonly reader: StoreReader | undefined;
}

/** What a walk needs of our side. */
type WalkingPorts = Pick<ImportPorts, 'now' | 'isReserved'>;

/** Finds what `importAll` would do. */
export function showImport(wish: DryRunWish): Promise<ImportReport> {
  const { source, signal, moveTags, reader } = wish;
  const yieldToRequests = async (): Promise<void> => {};
  return walk(wish, wish, (tally) => new DryRun({ source, tally, signal, moveTags, reader, yieldToRequests }));
}

async function walk(
  { source, counted, listeners, signal }: ImportWish,
  { now, isReserved }: WalkingPorts,
  takerOf: (tally: Tally) => Taker,
): Promise<ImportReport> {
  const tally = new Tally(listeners, now);
  const ended = new AbortController();
  const counting = counted ? count(source, tally, AbortSignal.any([signal, ended.signal])) : undefined;
  // If the source fails, the walk fails too and reports it. The count is only for the progress display.
  const countingEnded = Promise.allSettled([counting]);
  try {
    await walkSource(takerOf(tally), { source, isReserved, tally, signal });
  } finally {
    ended.abort();
    await countingEnded;
  }
  return tally.report();
}

/** Counts entries ahead of the walk, for the progress display. */
async function count(source: ImportSource, tally: Tally, signal: AbortSignal): Promise<void> {
  for await (const _ of source.entries()) {
    if (signal.aborted) return;
    tally.counted();
  }
}
