import packageJson from '../package.json' with { type: 'json' };
import { type Config, readConfig } from './config.ts';
import type { JobConnection, JobConnectionUse } from './jobs/bullmq/connection.ts';
import { startWorkers, type WorkersPorts } from './jobs/bullmq/start-workers.ts';
import type { Kind } from './jobs/job.ts';
import type { JobRun } from './jobs/queue.ts';
import { foldForSnapshot } from './jobs/snapshot.ts';
import type { Presence } from './operations/roster/presence.ts';
import type { SessionStore } from './registry/sessions.ts';
import type { ObjectStore } from './storage/driver.ts';
import { onHangUp } from './telemetry/hang-up.ts';
import { type Logs, openLogs } from './telemetry/log.ts';
import { sleep } from './wiring/basics.ts';
import { exitUnstarted } from './wiring/fixable.ts';

/** How long jobs may take to stop after a signal. Container runtimes kill the process soon after that. */
const CLOSE_WITHIN_MS = 20_000;

/** The store of a worker, with the jobs that need more of the cluster. */
export interface WorkerStore {
  /** The store's ULID, and that of these objects, which names the queues (StoreIdentity). */
  readonly store: string;
  readonly instance: string;
  /** Location of the store, for the log. */
  readonly place: string;
  readonly driver: ObjectStore;
  readonly sessions: SessionStore;
  /** Aborts old multipart uploads; undefined for drivers without them. */
  readonly reapMultiparts: ((before: number, signal: AbortSignal) => Promise<unknown>) | undefined;
  /** Collects garbage. */
  readonly collect: WorkersPorts['collect'];
  /** Deletes what the retention file no longer keeps. */
  readonly retain: WorkersPorts['retain'];
  /** Finds out what retention would delete. */
  readonly lookAhead: WorkersPorts['lookAhead'];
  /** Finds slots that no note names. */
  readonly sweepNotes: WorkersPorts['sweepNotes'];
  /** Opens a new connection to Redis. */
  readonly connect: (use: JobConnectionUse) => JobConnection;
  /** Tells the nodes of the cluster that this worker is there, and runs these jobs. */
  readonly announce: (kinds: readonly Kind[]) => Pick<Presence, 'drains' | 'close'>;
  readonly close: () => Promise<void>;
}

export type OpenWorkerStore = (config: Config, logs: Logs) => Promise<WorkerStore>;

/** Runs jobs of these kinds until SIGTERM or SIGINT. Errors that the operator can fix are one line on stderr. */
export async function runWorker(kinds: readonly Kind[], open: OpenWorkerStore): Promise<void> {
  try {
    await run(kinds, open);
  } catch (error) {
    exitUnstarted(error);
  }
}

async function run(kinds: readonly Kind[], open: OpenWorkerStore): Promise<void> {
  const config = readConfig(process.env);
  const logs = await openLogs({ level: config.logLevel, format: config.logFormat });
  const { logger } = logs;
  const opened = await open(config, logs);
  const { store, instance, place, driver, sessions, reapMultiparts, collect, retain, lookAhead, sweepNotes, connect } =
    opened;
  const workers = await startWorkers(kinds, {
    store: instance,
    driver,
    sessions,
    reapMultiparts,
    collect,
    retain,
    lookAhead,
    sweepNotes,
    connect,
    schedules: { collect: config.gcInterval, retain: config.retentionInterval },
    fold: (repo) => foldForSnapshot(driver, repo),
    uploadExpiry: config.uploadExpiry,
    now: Date.now,
    sleep,
    ended: (run) => logJob(run, logs),
    onError: (error) => logger.warn({ err: error }, 'the job queue failed; it is retried'),
    closeWithin: CLOSE_WITHIN_MS,
  });
  const presence = opened.announce(kinds);
  let isStopping = false;
  const stopOnce = (signal: NodeJS.Signals): void => {
    process.off('SIGTERM', stopOnce);
    process.off('SIGINT', stopOnce);
    if (isStopping) return;
    isStopping = true;
    void stop(signal);
  };
  const stop = async (signal: string): Promise<void> => {
    logger.info({ signal }, 'stopping');
    presence.drains();
    await workers.close();
    await presence.close();
    await opened.close();
    logger.info('stopped');
    logs.flush();
    process.exit(0);
  };
  process.on('SIGTERM', stopOnce);
  process.on('SIGINT', stopOnce);
  onHangUp(stopOnce, logger);
  logger.info({ version: packageJson.version, kinds, storage: place, store }, 'a Marina worker is running');
  logs.flush();
}

/** Logs one line per attempt, also of successful ones: a worker has no requests to log. */
function logJob({ key, outcome, seconds, attempt, isDead, error }: JobRun, { logger }: Logs): void {
  const about = { job: key, outcome, attempt, milliseconds: Math.round(seconds * 1000) };
  if (outcome !== 'failed') {
    logger.info(about, 'a job ended');
    return;
  }
  const next = isDead ? 'it is now a dead letter (see: marina jobs --failed)' : 'it will be retried';
  logger.error({ ...about, err: error }, `a job failed; ${next}`);
}
