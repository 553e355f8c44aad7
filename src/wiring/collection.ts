import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { collectionJob, type RunCollection } from '../collection/job.ts';
import { memoryTrimmer } from '../collection/memory.ts';
import { createPacer } from '../collection/pace.ts';
import type { CollectionPorts } from '../collection/ports.ts';
import { type CollectionReport, collectionReports } from '../collection/report.ts';
import { openSpillFiles } from '../collection/spill-files.ts';
import type { Projection } from '../projection/projection.ts';
import type { SessionStore } from '../registry/sessions.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { sleep } from './basics.ts';
import type { ShapePorts } from './node-ports.ts';
import type { OpenedStore } from './store.ts';

/** Times in milliseconds for background work in a process that serves requests: how long it may run, and how long it then rests. */
const BESIDE_REQUESTS = { busy: 0.3, minRest: 1, maxRest: 80, restPerRequest: 0.1 };
/**
 * Up to this many requests per millisecond, background work yields to the event loop instead of sleeping. At that load a request waits for
 * at most one piece of work, and sleeping would not make its wait shorter.
 */
const MAX_LIGHT_LOAD = 2;
/** Milliseconds over which the request rate is averaged. */
const RATE_WINDOW = 10;
/** How long background work may run, in milliseconds, in a process that serves no requests. */
const ALONE = { busy: 50 };
/**
 * Objects that are deleted by one call. A bucket accepts a thousand in one request. In a shared folder each call ends with a sync of every
 * shelf it touched; a batch of this size makes these syncs rare, and is still short enough for a process that must stop. In a process that
 * serves requests, the folder's two threads delete 16 objects each, in less than a millisecond, and then collection rests.
 */
const DELETE_BATCH = { besideRequests: 32, other: 1_000 };
/** How long a scrape waits for the store. During an outage of the store the other metrics matter most, so they must not be delayed more. */
const SCRAPE_TIMEOUT_MS = 2_000;

/** The number of requests that this process has received since its start. */
export type CountRequests = () => number;

export interface CollectionWiring extends Pick<ShapePorts, 'config' | 'newId' | 'reach' | 'node'> {
  readonly opened: Pick<OpenedStore, 'driver' | 'place' | 'isLocked'>;
  readonly projection: Pick<Projection, 'submit'>;
  readonly sessions: Pick<SessionStore, 'expire'>;
  readonly resident?: CollectionPorts['resident'];
  /** Absent if the process serves no requests. */
  readonly requests?: CountRequests | undefined;
  readonly onReport?: (report: CollectionReport) => void;
}

/**
 * Creates the pause that background work awaits between small pieces of work. Requests that arrive during a piece must wait for it. So
 * the more requests there are, the longer the pauses, which keeps the share of requests that wait small.
 * @param requests undefined if the process serves no requests
 */
export function paceFor(requests: CountRequests | undefined): () => Promise<void> {
  const now = (): number => performance.now();
  if (requests === undefined) {
    const trimMemory = memoryTrimmer({ resident: () => process.memoryUsage.rss(), collect: () => Bun.gc(true) });
    const rest = (): Promise<void> => {
      trimMemory();
      return nextTurn();
    };
    return createPacer({ now, rest, busy: ALONE.busy });
  }
  const { busy, minRest, maxRest, restPerRequest } = BESIDE_REQUESTS;
  let [counted, countedAt] = [requests(), now()];
  let perMillisecond = 0;
  const rest = (): Promise<void> => {
    const received = requests() - counted;
    const passed = Math.max(0.001, now() - countedAt);
    counted += received;
    countedAt += passed;
    perMillisecond += (received / passed - perMillisecond) * Math.min(1, passed / RATE_WINDOW);
    if (perMillisecond <= MAX_LIGHT_LOAD) return nextTurn();
    return sleep(Math.min(maxRest, minRest + received * restPerRequest));
  };
  return createPacer({ now, rest, busy });
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
