import { RegistryError } from '../oci/errors.ts';
import { finish } from '../oci/strict-json.ts';
import { ContentCache } from '../registry/content-cache.ts';
import { Manifests } from '../registry/manifests.ts';
import { NO_POLICY } from '../registry/policy.ts';
import type { Key, StoreReader } from '../storage/driver.ts';
import type { ForeignStore } from '../storage/foreign.ts';
import { DryRun } from './dry-run.ts';
import { importLayers } from './layers.ts';
import { importManifests } from './manifests.ts';
import type { Import, ImportPorts } from './ports.ts';
import type { ImportReport, ImportRequest } from './report.ts';
import { importTags } from './tags.ts';
import { type Listeners, Tally } from './tally.ts';
import { entriesOf, rootOf } from './tree.ts';
import { type Taker, walkTree } from './walk.ts';

/** Effectively no cache: nothing reads a manifest that was just put. */
const NO_CACHE_BYTES = 1;

export interface ImportWish extends Pick<ImportRequest, 'trust' | 'moveTags' | 'counted'> {
  readonly source: ForeignStore;
  readonly listeners: Listeners;
  readonly signal: AbortSignal;
}

/**
 * Takes over a registry that distribution wrote. It may be stopped at any point and repeated, because content that is already present
 * is skipped.
 * @throws RegistryError `request-invalid` if there is none in the source
 */
export async function importTree(wish: ImportWish, ports: ImportPorts): Promise<ImportReport> {
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
  const report = await walk(wish, ports.now, (root, tally) => {
    const { source, signal, trust, moveTags } = wish;
    const run: Import = { ...ports, source, signal, trust, moveTags, root, tally, contradicted: new Set() };
    return {
      layers: (repo, entries) => importLayers(repo, entries, run),
      manifests: (repo, entries) => importManifests(repo, entries, manifests, run),
      tags: (repo, entries) => importTags(repo, entries, run),
    };
  });
  for (const work of deferred) await work();
  return report;
}

export interface DryRunWish extends ImportWish, Pick<ImportPorts, 'now'> {
  /** Our store; undefined if there is none yet. */
  readonly reader: StoreReader | undefined;
}

/** Finds what `importTree` would do. @throws RegistryError like importTree */
export function showImport(wish: DryRunWish): Promise<ImportReport> {
  const { source, signal, moveTags, reader, now } = wish;
  const yieldToRequests = async (): Promise<void> => {};
  return walk(
    wish,
    now,
    (root, tally) => new DryRun({ source, root, tally, signal, moveTags, reader, yieldToRequests }),
  );
}

async function walk(
  { source, counted, listeners, signal }: ImportWish,
  now: () => number,
  takerOf: (root: Key, tally: Tally) => Taker,
): Promise<ImportReport> {
  const root = await rootOf(source);
  if (root === undefined) {
    throw new RegistryError(
      'request-invalid',
      `there is no registry in ${source.place}: name the folder or prefix that holds docker/registry/v2`,
    );
  }
  const tally = new Tally(listeners, now);
  const ended = new AbortController();
  const counting = counted ? count(source, root, tally, AbortSignal.any([signal, ended.signal])) : undefined;
  // If the source fails, the walk fails too and reports it. The count is only for the progress display.
  const countingEnded = Promise.allSettled([counting]);
  try {
    await walkTree(takerOf(root, tally), { source, root, tally, signal });
  } finally {
    ended.abort();
    await countingEnded;
  }
  return tally.report();
}

/** Counts links ahead of the walk, for the progress display. */
async function count(source: ForeignStore, root: Key, tally: Tally, signal: AbortSignal): Promise<void> {
  for await (const _ of entriesOf(source, root)) {
    if (signal.aborted) return;
    tally.counted();
  }
}
