import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CollectionProgress } from '../collection/collect.ts';
import { collectionJob } from '../collection/job.ts';
import { paceOf } from '../collection/pace.ts';
import type { CollectionPorts } from '../collection/ports.ts';
import { type CollectionReport, lastReport } from '../collection/report.ts';
import { openSpillFiles } from '../collection/spill-files.ts';
import type { Projection } from '../projection/projection.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { sleep } from './basics.ts';
import type { ShapePorts } from './node-ports.ts';
import type { OpenedStore } from './store.ts';

/** How long background work may keep its thread: beside requests, which wait for it, and where it is alone. */
const BESIDE_REQUESTS = { busy: 1, rest: 2 };
const ALONE = { busy: 50, rest: 0 };
/** A bucket takes a thousand with one request. In a folder the more are deleted together the fewer syncs it takes. */
const DELETE_TOGETHER = { filesystem: 10_000, other: 1_000 };
/** So long a scrape waits for the store: what is watched most closely while that is away must not be missing. */
const SCRAPE_WAITS_MS = 2_000;

export interface CollectionWiring extends Pick<ShapePorts, 'config' | 'newId' | 'reach' | 'node'> {
  readonly opened: Pick<OpenedStore, 'driver' | 'place' | 'isLocked'>;
  readonly projection: Pick<Projection, 'submit'>;
  readonly resident?: CollectionPorts['resident'];
  /** Whether the process serves requests, too. */
  readonly serves: boolean;
  readonly onReport?: (report: CollectionReport) => void;
  readonly onProgress?: (progress: CollectionProgress) => void;
}

/** What background work awaits between small pieces. @param serves whether the process serves requests, too */
export function paceFor(serves: boolean): () => Promise<void> {
  const { busy, rest } = serves ? BESIDE_REQUESTS : ALONE;
  return paceOf({ now: () => performance.now(), rest: () => sleep(rest), busy });
}

/** What runs a collection in this process. */
export function wireCollection({
  config,
  opened,
  serves,
  ...ports
}: CollectionWiring): ReturnType<typeof collectionJob> {
  const { driver, place, isLocked } = opened;
  const { resident = () => undefined, onReport = () => {}, onProgress, ...rest } = ports;
  return collectionJob({
    ...rest,
    ...{ driver, resident, onReport, sleep, now: Date.now },
    ...(onProgress === undefined ? {} : { onProgress }),
    // In a folder of our own what a killed process left is cleaned at the next start.
    openSpill: () => openSpillFiles(isLocked ? join(place, 'tmp') : tmpdir()),
    breathe: paceFor(serves),
    grace: config.gcGrace,
    uploadExpiry: config.uploadExpiry,
    rate: config.gcRate,
    deleteTogether: driver.kind === 'filesystem' ? DELETE_TOGETHER.filesystem : DELETE_TOGETHER.other,
    deleteDurably: !isLocked,
    enabled: config.gcEnabled,
  });
}

/** The last run under /metrics, by whichever process of the store it was done. */
export function observeCollections(
  telemetry: Telemetry,
  { driver }: Pick<OpenedStore, 'driver'>,
  failed: (error: unknown) => void,
): void {
  telemetry.collections.observe({ last: () => inTime(lastReport(driver)), failed });
}

/** What the store answers, in the time that a scrape has for it. */
export async function inTime<T>(answer: Promise<T>): Promise<T> {
  const answered = new AbortController();
  const deadline = sleep(SCRAPE_WAITS_MS, answered.signal).then(() => {
    throw new Error(`the store did not answer within ${SCRAPE_WAITS_MS} ms`);
  });
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    answered.abort();
  }
}

/** For the log. */
export function summaryOf(report: CollectionReport): Record<string, unknown> {
  const { startedAt, finishedAt, run: _, ...numbers } = report;
  return { ...numbers, seconds: (finishedAt - startedAt) / 1000 };
}
