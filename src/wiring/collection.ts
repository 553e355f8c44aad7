import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectionJob, type RunCollection } from '../collection/job.ts';
import type { CollectionPorts } from '../collection/ports.ts';
import { type CollectionReport, collectionReports } from '../collection/report.ts';
import { openSpillFiles } from '../collection/spill-files.ts';
import type { Projection } from '../projection/projection.ts';
import type { SessionStore } from '../registry/sessions.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { sleep } from './basics.ts';
import type { ShapePorts } from './node-ports.ts';
import { type CountRequests, paceFor } from './pace.ts';
import type { OpenedStore } from './store.ts';

/**
 * Objects that are deleted by one call. A bucket accepts a thousand in one request. In a shared folder each call ends with a sync of every
 * shelf it touched; a batch of this size makes these syncs rare, and is still short enough for a process that must stop. In a process that
 * serves requests, the folder's two threads delete 16 objects each, in less than a millisecond, and then collection rests.
 */
const DELETE_BATCH = { besideRequests: 32, other: 1_000 };
/** How long a scrape waits for the store. During an outage of the store the other metrics matter most, so they must not be delayed more. */
const SCRAPE_TIMEOUT_MS = 2_000;

export interface CollectionWiring extends Pick<ShapePorts, 'config' | 'newId' | 'reach' | 'node'> {
  readonly opened: Pick<OpenedStore, 'driver' | 'place' | 'isLocked'>;
  readonly projection: Pick<Projection, 'submit'>;
  readonly sessions: Pick<SessionStore, 'expire'>;
  readonly resident?: CollectionPorts['resident'];
  /** Absent if the process serves no requests. */
  readonly requests?: CountRequests | undefined;
  readonly onReport?: (report: CollectionReport) => void;
}

/** Creates the function that runs a collection in this process. */
export function wireCollection({ config, opened, requests, ...ports }: CollectionWiring): RunCollection {
  const { driver, place, isLocked } = opened;
  const { resident = () => undefined, onReport = () => {}, ...rest } = ports;
  return collectionJob({
    ...rest,
    driver,
    resident,
    onReport,
    sleep,
    now: Date.now,
    // The data folder's tmp is cleaned at each start, which removes the files of a killed process. A shared store has no such place.
    openSpill: () => openSpillFiles(isLocked ? join(place, 'tmp') : tmpdir()),
    yieldToRequests: paceFor(requests),
    grace: config.gcGrace,
    uploadExpiry: config.uploadExpiry,
    rate: config.gcRate,
    deleteBatch: driver.kind === 'filesystem' && isLocked ? DELETE_BATCH.besideRequests : DELETE_BATCH.other,
    deleteDurably: !isLocked,
    enabled: config.gcEnabled,
  });
}

/** Shows the last collection under /metrics, whichever process ran it. */
export function observeCollections(
  telemetry: Telemetry,
  { driver }: Pick<OpenedStore, 'driver'>,
  failed: (error: unknown) => void,
): void {
  telemetry.collections.observe({ last: () => withScrapeTimeout(collectionReports.last(driver)), failed });
}

/** Awaits an answer of the store for a scrape. @throws Error after SCRAPE_TIMEOUT_MS */
export async function withScrapeTimeout<T>(answer: Promise<T>): Promise<T> {
  const answered = new AbortController();
  const deadline = sleep(SCRAPE_TIMEOUT_MS, answered.signal).then(() => {
    throw new Error(`the store did not answer within ${SCRAPE_TIMEOUT_MS} ms`);
  });
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    answered.abort();
  }
}

/** The fields of a report for the log. */
export function summaryOf(report: CollectionReport): Record<string, unknown> {
  const { startedAt, finishedAt, run: _, ...numbers } = report;
  return { ...numbers, seconds: (finishedAt - startedAt) / 1000 };
}
