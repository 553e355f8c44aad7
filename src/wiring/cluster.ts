import type { Config } from '../config.ts';
import { openJobConnection } from '../jobs/bullmq/connection.ts';
import { openJobQueue } from '../jobs/bullmq/start-workers.ts';
import { SNAPSHOT_SLOTS } from '../journal/snapshot-due.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryProjection } from '../projection/memory.ts';
import { describeAddress, type RedisAddress } from '../projection/redis/address.ts';
import { connectRedis, type RedisConnection } from '../projection/redis/connection.ts';
import { RedisProjection } from '../projection/redis/projection.ts';
import type { SessionStore } from '../registry/sessions.ts';
import { RedisSessions } from '../sessions/redis-sessions.ts';
import { LineThrottle } from '../telemetry/line-throttle.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { repeat, sleep } from './basics.ts';
import { observeCollections } from './collection.ts';
import { logListingFailure } from './listing-failure.ts';
import type { Shape, ShapePorts } from './node-ports.ts';
import { observeRetention } from './retention.ts';
import type { OpenedStore } from './store.ts';

/** How long startup waits for Redis. Until Redis is available, a node serves reads only. */
const REDIS_WITHIN_MS = 5_000;

/** How old the count of what other nodes wrote may be, and how often one repository is counted that this node writes to. */
const COUNTING = { kind: 'always', everyMs: 15_000, pauseMs: 2_000 } as const;

/** Wires a node of a cluster, with views, sessions and jobs in Redis. Redis may be unavailable at times. */
export async function wireCluster(ports: ShapePorts, address: RedisAddress): Promise<Shape> {
  const { config, logs, telemetry, opened, newId } = ports;
  const { store } = opened;
  const redis = await openRedis(config, address, logs, telemetry);
  const jobs = openJobQueue({
    store,
    connect: (use) => openJobConnection(address, use, caOf(config)),
    now: Date.now,
    sleep: (milliseconds, signal) => sleep(milliseconds, signal),
    onError: (error) => logs.logger.warn({ err: error }, 'the job queue failed; it is retried'),
  });
  const onAppend = (events: number, repo: RepositoryName, seq: number): void => {
    telemetry.appended(events);
    ports.usage.appended(repo);
    // All nodes append to the log, so none knows how many slots follow the last snapshot. A worker checks whether one is due.
    if (seq % SNAPSHOT_SLOTS === 0) void jobs.enqueue({ kind: 'snapshot', repo });
  };
  const { fold, projection } = openSharedProjection({ ...ports, redis, onAppend });
  // The same for the whole cluster: one thread of the process asks for it.
  if (ports.thread.kind !== 'other') {
    observeRetention(telemetry, opened, logs.logger);
    observeCollections(telemetry, opened, (error) =>
      logs.logger.warn({ err: error }, 'the last collection could not be read'),
    );
    telemetry.jobs.observe({
      counts: () => jobs.counts(),
      failed: (error) => logs.logger.warn({ err: error }, 'the background jobs could not be counted'),
    });
  }
  return {
    projection,
    counted: {
      store: {
        repositories: (after, limit) => projection.repositories(after, limit),
        newest: (repo) => projection.newest(repo),
        // Redis has no sums. Slots are folded once; later counts read only the new ones, as long as the memory for views lasts.
        usage: (repo) => fold.usage(repo),
      },
      sharing: COUNTING,
    },
    sessions: openSharedSessions(config, redis, opened, newId, logs),
    viewBytes: () => fold.weight,
    viewRepositories: () => fold.size,
    close: async () => {
      await jobs.close();
      await redis.close();
    },
  };
}

export interface SharedProjectionPorts
  extends Pick<ShapePorts, 'config' | 'logs' | 'telemetry' | 'newId' | 'reach' | 'node'> {
  readonly opened: Pick<OpenedStore, 'driver' | 'store'>;
  readonly redis: RedisConnection;
  readonly onAppend: (events: number, repo: RepositoryName, seq: number) => void;
}

/** Opens the views in Redis, and the views in memory that are used while Redis is unavailable. */
export function openSharedProjection({ config, logs, telemetry, opened, redis, ...ports }: SharedProjectionPorts): {
  readonly fold: MemoryProjection;
  readonly projection: RedisProjection;
} {
  const { newId, reach, node, onAppend } = ports;
  const { driver, store } = opened;
  const writing = { driver, newId, sleep, reach, node, now: Date.now, onAppend };
  const fold: MemoryProjection = new MemoryProjection({
    ...writing,
    budget: config.viewMemory,
    probe: true,
    onGrowth: () => {},
    onListingFailed: (error) => logListingFailure(logs, error),
  });
  const { services } = telemetry;
  const malformed = new LineThrottle(() => performance.now());
  const projection = new RedisProjection({
    ...writing,
    redis,
    store,
    fold,
    observer: {
      healed: (how) => services.healed(how),
      malformed: (what, error) => {
        const skipped = malformed.admit();
        if (skipped === undefined) return;
        const message = 'Redis has malformed values: they are discarded and rebuilt from the store';
        logs.logger.error({ err: error, what, skipped }, message);
      },
      listingFailed: (error) => logListingFailure(logs, error),
      fellBack: (why) => services.fellBack(why),
      waitedForTurn: (milliseconds) => services.waitedForTurn(milliseconds),
    },
  });
  return { fold, projection };
}

/** @throws RedisRefused */
export async function openRedis(
  config: Config,
  address: RedisAddress,
  { logger }: Logs,
  telemetry: Telemetry,
): Promise<RedisConnection> {
  const redis = connectRedis(address, {
    ...caOf(config),
    onCommand: (script, seconds, ok) => telemetry.services.redisAnswered(script, seconds, ok),
    onConnectionError: (error) =>
      logger.warn({ err: error, redis: describeAddress(address) }, 'no connection to Redis'),
  });
  if (!(await redis.ready(REDIS_WITHIN_MS))) {
    logger.warn(
      { redis: describeAddress(address) },
      'Redis does not answer: reads are served from storage until it does',
    );
  }
  return redis;
}

export function openSharedSessions(
  config: Config,
  redis: RedisConnection,
  { driver, store }: OpenedStore,
  newToken: () => string,
  { logger }: Logs,
): SessionStore {
  const malformed = new LineThrottle(() => performance.now());
  return new RedisSessions({
    redis,
    store,
    driver,
    now: Date.now,
    expiry: config.uploadExpiry,
    newToken,
    repeat,
    failed: (error) => logger.warn({ err: error }, 'the lease of an upload could not be renewed or released'),
    malformed: (error) => {
      const skipped = malformed.admit();
      if (skipped !== undefined)
        logger.error({ err: error, skipped }, 'Redis has a malformed upload session: it is ended');
    },
  });
}

export function caOf({ redisCaFile }: Config): { caFile?: string } {
  return redisCaFile === undefined ? {} : { caFile: redisCaFile };
}
