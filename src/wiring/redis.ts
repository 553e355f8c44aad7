import type { Config } from '../config.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryProjection } from '../projection/memory.ts';
import { describeAddress, type RedisAddress } from '../projection/redis/address.ts';
import { connectRedis, type RedisConnection, type Unchecked } from '../projection/redis/connection.ts';
import { RedisProjection } from '../projection/redis/projection.ts';
import type { SessionStore } from '../registry/sessions.ts';
import { RedisSessions } from '../sessions/redis-sessions.ts';
import { LineThrottle } from '../telemetry/line-throttle.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { repeat, sleep } from './basics.ts';
import { logListingFailure } from './listing-failure.ts';
import type { ShapePorts } from './node-ports.ts';
import type { OpenedStore } from './store.ts';

/** How long startup waits for Redis. Until Redis is available, a node serves reads only. */
const REDIS_WITHIN_MS = 5_000;

export interface SharedProjectionPorts
  extends Pick<ShapePorts, 'config' | 'logs' | 'telemetry' | 'newId' | 'reach' | 'node'> {
  readonly opened: Pick<OpenedStore, 'driver' | 'instance'>;
  readonly redis: RedisConnection;
  readonly onAppend: (events: number, repo: RepositoryName, seq: number) => void;
  readonly onFound: (repo: RepositoryName, seq: number) => void;
}

/** Opens the views in Redis, and the views in memory that are used while Redis is unavailable. */
export function openSharedProjection({ config, logs, telemetry, opened, redis, ...ports }: SharedProjectionPorts): {
  readonly fold: MemoryProjection;
  readonly projection: RedisProjection;
} {
  const { newId, reach, node, onAppend, onFound } = ports;
  const { driver, instance: store } = opened;
  const writing = { driver, newId, sleep, reach, node, now: Date.now, onAppend, onFound };
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

const UNCHECKED: Readonly<Record<Unchecked, string>> = {
  version: 'Redis does not say its version: Marina needs 7.0 or later',
  'maxmemory-policy': 'Redis does not say its maxmemory-policy: it must be noeviction',
};

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
    onUnchecked: (what, error) => logger.warn({ err: error, redis: describeAddress(address) }, UNCHECKED[what]),
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
  { driver, instance: store }: OpenedStore,
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
