import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicFactory } from 'ulid';
import { openAccess } from './access/access.ts';
import { type Config, ConfigError } from './config.ts';
import { createServer } from './http/server.ts';
import { handleWith } from './jobs/handlers.ts';
import { InProcessQueue } from './jobs/in-process.ts';
import { type JobRun, POLICIES, type RunJob } from './jobs/queue.ts';
import { Runner } from './jobs/runner.ts';
import { SCHEDULES } from './jobs/schedules.ts';
import { isSnapshotDue } from './jobs/snapshot.ts';
import type { Incarnation } from './oci/names.ts';
import { MemoryProjection } from './projection/memory.ts';
import { ContentCache } from './registry/content-cache.ts';
import { FileSessions } from './registry/file-sessions.ts';
import { Registry } from './registry/registry.ts';
import { SessionIds } from './registry/session-ids.ts';
import { CRASH_POINTS, crashAt, noCrash, type ReachStep } from './storage/crash-points.ts';
import { openDataFolder } from './storage/filesystem/folder.ts';
import type { Logs } from './telemetry/log.ts';
import { Telemetry } from './telemetry/metrics.ts';

/** How long jobs that were told to stop may take. */
const JOBS_CLOSE_WITHIN_MS = 10_000;
const MANIFEST_DEADLINE_MS = 60_000;
/** The filesystem takes chunks of any size. */
const CHUNK_MIN_LENGTH = 1;

export interface Node {
  readonly server: ReturnType<typeof createServer>;
  /** ULID of the store that this node serves. */
  readonly store: string;
  /** Absolute path of the data folder. */
  readonly place: string;
  /** From now on new requests are refused. */
  readonly refuse: (reason: string) => void;
  readonly inFlight: () => number;
  /** Ends the background work and lets go of the data folder. */
  readonly close: () => Promise<void>;
}

/** Puts the embedded shape together: one process, one folder. */
export async function wire(config: Config, logs: Logs, version: string): Promise<Node> {
  const { logger } = logs;
  if (config.storageDriver === 's3') {
    throw new ConfigError('STORAGE_DRIVER=s3 is not available in this version: use filesystem, or unset it');
  }
  const now = Date.now;
  const newId = idFactory();
  const reach = reachOf(config.crashPoint);
  const telemetry = new Telemetry();
  const place = resolve(config.storagePath);
  const folder = await openDataFolder(place, {
    uniqueName: newId,
    now,
    reach,
    fatal: (reason, cause) => {
      logger.fatal({ err: cause }, `${reason}: the process ends, nothing unsynced was acknowledged`);
      logs.flush();
      process.exit(1);
    },
  });
  const { driver } = folder;
  await driver.prepareShelves();
  const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
    delay(milliseconds, undefined, { signal }).catch(ignoreAbort);
  const runner = new Runner({
    sleep,
    failed: (task, error) => logger.error({ task, err: error }, 'work that nobody waited for failed'),
  });
  // What the jobs stand on is put together only below; none runs before that.
  let handle: RunJob = () => Promise.reject(new Error('the node is still starting'));
  const jobs = new InProcessQueue({
    run: (job, signal) => handle(job, signal),
    policies: POLICIES,
    now,
    sleep,
    ended: jobEnded(logs, telemetry),
    closeWithin: JOBS_CLOSE_WITHIN_MS,
  });
  const projection: MemoryProjection = new MemoryProjection({
    driver,
    now,
    newId,
    sleep: (milliseconds) => delay(milliseconds),
    reach,
    node: config.nodeName === '' ? hostname() : config.nodeName,
    onAppend: (events) => telemetry.appended(events),
    budget: config.viewMemory,
    onGrowth: (repo, tail) => {
      if (isSnapshotDue(tail)) void jobs.enqueue({ kind: 'snapshot', repo });
    },
  });
  const sessions = new FileSessions({ driver, ids: new SessionIds(folder.store), now, expiry: config.uploadExpiry });
  const cache = new ContentCache(config.contentCache);
  const registry = new Registry({
    driver,
    projection,
    sessions,
    access: openAccess,
    cache,
    now,
    newIncarnation: newId,
    grace: config.gcGrace,
    later: (what, work) => runner.enqueue({ name: `${what} ${newId()}`, run: work }),
  });
  handle = handleWith({
    driver,
    sessions,
    fold: (repo) => projection.resident(repo),
    reapMultiparts: undefined,
    now,
    uploadExpiry: config.uploadExpiry,
    enqueue: (job, options) => jobs.enqueue(job, options),
  });
  await jobs.schedule('expire-uploads', SCHEDULES['expire-uploads']);
  telemetry.jobs.observe({
    counts: () => jobs.counts(),
    failed: (error) => logger.warn({ err: error }, 'the background jobs could not be counted'),
  });
  telemetry.observe({
    uploadsOpen: () => sessions.count(),
    viewBytes: () => projection.weight,
    viewRepositories: () => projection.size,
    cacheBytes: () => cache.size,
  });
  let refusal: string | undefined;
  const server = createServer({
    registry,
    limits: {
      bodyIdle: config.bodyIdleTimeout,
      manifestDeadline: MANIFEST_DEADLINE_MS,
      chunkMinLength: CHUNK_MIN_LENGTH,
      publicUrl: config.publicUrl,
    },
    logger,
    access: logs.access,
    telemetry,
    notReady: () => refusal,
    version,
  });
  return {
    server,
    store: folder.store,
    place,
    refuse: (reason) => {
      refusal = reason;
    },
    inFlight: () => telemetry.requests.inFlight,
    close: async () => {
      await jobs.close();
      await runner.stop();
      await folder.close();
    },
  };
}

/** Each attempt is measured, and a failed one is told. */
function jobEnded({ logger }: Logs, telemetry: Telemetry): (run: JobRun) => void {
  return ({ kind, key, outcome, seconds, attempt, isDead, error }) => {
    telemetry.jobs.ended(kind, outcome, seconds);
    if (outcome !== 'failed') return;
    const next = isDead ? 'it is not tried again by itself' : 'it is tried again';
    logger.error({ job: key, attempt, err: error }, `a background job failed; ${next}`);
  };
}

/** ULIDs: in order within this process, their random part fresh in each millisecond. */
function idFactory(): () => Incarnation {
  const next = monotonicFactory();
  return () => next() as Incarnation;
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}

function reachOf(setting: string | undefined): ReachStep {
  if (setting === undefined) return noCrash;
  const [name, count = '1'] = setting.split(':');
  const point = CRASH_POINTS.find((each) => each === name);
  if (point === undefined || !/^[1-9]\d*$/.test(count)) {
    throw new ConfigError(
      `CRASH_POINT=${setting} cannot be used: name:count is expected, the name one of ${CRASH_POINTS.join(', ')}`,
    );
  }
  return crashAt(point, Number(count));
}
