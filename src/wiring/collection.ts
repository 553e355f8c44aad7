import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { collectionJob, type RunCollection } from '../collection/job.ts';
import { memoryTrimmer } from '../collection/memory.ts';
import { createPacer } from '../collection/pace.ts';
import type { CollectionPorts } from '../collection/ports.ts';
import { type CollectionReport, lastReport } from '../collection/report.ts';
import { openSpillFiles } from '../collection/spill-files.ts';
import type { Projection } from '../projection/projection.ts';
import type { SessionStore } from '../registry/sessions.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { sleep } from './basics.ts';
import type { ShapePorts } from './node-ports.ts';
import type { OpenedStore } from './store.ts';

/** How long background work may keep its thread, and rests then: beside requests, which wait for it, and where it is alone. */
const BESIDE_REQUESTS = { busy: 0.3, leastRest: 1, mostRest: 80, restForRequest: 0.1 };
/**
 * With so many requests a millisecond or fewer, those that come find their turn without a rest: each waits for the piece of work that
 * goes on, and so would some with rests of a moment, too.
 */
const FEW_REQUESTS = 2;
/** Milliseconds: what came since then says how many there are. */
const COUNTED_OVER = 10;
const ALONE = { busy: 50 };
/**
 * Objects that are deleted with one call. A bucket takes a thousand with one request. In a shared folder a call ends with a sync of each
 * shelf that it touched; one more call costs at most one more sync, and a process that ends does not have to wait for long. Where requests are
 * served beside it, a folder's two threads remove 16 each, in less than a millisecond, and then collection rests.
 */
const DELETE_BATCH = { besideRequests: 32, other: 1_000 };
/** So long a scrape waits for the store: what is watched most closely while that is away must not be missing. */
const SCRAPE_WAITS_MS = 2_000;

/** How many requests this process was asked, ever. */
export type CountRequests = () => number;

export interface CollectionWiring extends Pick<ShapePorts, 'config' | 'newId' | 'reach' | 'node'> {
  readonly opened: Pick<OpenedStore, 'driver' | 'place' | 'isLocked'>;
  readonly projection: Pick<Projection, 'submit'>;
  readonly sessions: Pick<SessionStore, 'expire'>;
  readonly resident?: CollectionPorts['resident'];
  /** Left out where the process serves none. */
  readonly requests?: CountRequests | undefined;
  readonly onReport?: (report: CollectionReport) => void;
}

/**
 * What background work awaits between small pieces. Requests that come meanwhile wait for it: the more there are the longer it rests
 * in between, so that of all of them few do.
 */
export function paceFor(requests: CountRequests | undefined): () => Promise<void> {
  const now = (): number => performance.now();
  if (requests === undefined) {
    const giveBack = memoryTrimmer({ resident: () => process.memoryUsage.rss(), collect: () => Bun.gc(true) });
    const rest = (): Promise<void> => {
      giveBack();
      return nextTurn();
    };
    return createPacer({ now, rest, busy: ALONE.busy });
  }
  const { busy, leastRest, mostRest, restForRequest } = BESIDE_REQUESTS;
  let [seen, looked] = [requests(), now()];
  let aMillisecond = 0;
  const rest = (): Promise<void> => {
    const asked = requests() - seen;
    const passed = Math.max(0.001, now() - looked);
    seen += asked;
    looked += passed;
    aMillisecond += (asked / passed - aMillisecond) * Math.min(1, passed / COUNTED_OVER);
    if (aMillisecond <= FEW_REQUESTS) return nextTurn();
    return sleep(Math.min(mostRest, leastRest + asked * restForRequest));
  };
  return createPacer({ now, rest, busy });
}

/** What runs a collection in this process. */
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
    // In a folder of our own what a killed process left is cleaned at the next start.
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
