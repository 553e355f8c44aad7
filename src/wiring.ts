import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicFactory } from 'ulid';
import { openAccess } from './access/access.ts';
import { type Config, ConfigError } from './config.ts';
import { createServer } from './http/server.ts';
import { expireUploads } from './jobs/expire-uploads.ts';
import { Runner } from './jobs/runner.ts';
import { isSnapshotDue, snapshotRepository } from './jobs/snapshot.ts';
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

const EXPIRY_CHECK_MS = 600_000;
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
  const runner = new Runner({
    sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(ignoreAbort),
    failed: (job, error) => logger.error({ job, err: error }, 'a background job failed; it is tried again'),
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
      if (isSnapshotDue(tail)) runner.enqueue(snapshotRepository(driver, repo, () => projection.resident(repo)));
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
  runner.schedule(expireUploads(sessions, now, config.uploadExpiry), EXPIRY_CHECK_MS);
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
      await runner.stop();
      await folder.close();
    },
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
