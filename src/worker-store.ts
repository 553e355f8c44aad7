import { type Config, ConfigError } from './config.ts';
import { openJobConnection } from './jobs/bullmq/connection.ts';
import type { Logs } from './telemetry/log.ts';
import { Telemetry } from './telemetry/metrics.ts';
import { idFactory, reachOf } from './wiring/basics.ts';
import { caOf, openRedis, openSharedSessions } from './wiring/cluster.ts';
import { openStore } from './wiring/store.ts';
import type { WorkerStore } from './worker.ts';

/** The store of a cluster, as its workers see it. @throws ConfigError, StoreRefused, RedisRefused in one line */
export async function openWorkerStore(config: Config, logs: Logs): Promise<WorkerStore> {
  const { redisUrl } = config;
  if (redisUrl === undefined) {
    throw new ConfigError('a worker needs REDIS_URL: without it the registry does its background work by itself');
  }
  const newId = idFactory();
  const telemetry = new Telemetry();
  const opened = await openStore(config, true, { newId, reach: reachOf(config.crashPoint), logs, telemetry });
  const redis = await openRedis(config, redisUrl, logs, telemetry);
  return {
    ...opened,
    sessions: openSharedSessions(config, redis, opened, newId, logs),
    connect: (use) => openJobConnection(redisUrl, use, caOf(config)),
    close: async () => {
      await redis.close();
      await opened.close();
    },
  };
}
