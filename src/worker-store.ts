import { hostname } from 'node:os';
import { type Config, ConfigError } from './config.ts';
import { openJobConnection } from './jobs/bullmq/connection.ts';
import type { RepositoryName } from './oci/names.ts';
import type { Logs } from './telemetry/log.ts';
import { Telemetry } from './telemetry/metrics.ts';
import { ALONE } from './threads/thread.ts';
import { idFactory, reachOf } from './wiring/basics.ts';
import { summaryOf, wireCollection } from './wiring/collection.ts';
import { openClusterNotes, openOwnFeed, sweepOf } from './wiring/feed.ts';
import { openPresence, openProcessRoster } from './wiring/presence.ts';
import {
  collectWhileWritable,
  lookAheadWhileWritable,
  openWriteSwitch,
  retainWhileWritable,
} from './wiring/read-only.ts';
import { caOf, openRedis, openSharedProjection, openSharedSessions } from './wiring/redis.ts';
import { openReplication } from './wiring/replica.ts';
import { identityFrom, openSource } from './wiring/replica-source.ts';
import { logRetention, openPolicy, wireRetention } from './wiring/retention.ts';
import { openStore } from './wiring/store.ts';
import { openWebhookFile } from './wiring/webhook-file.ts';
import { openWebhooks } from './wiring/webhooks.ts';
import type { WorkerStore } from './worker.ts';

/** Opens the store of a cluster for a worker. @throws ConfigError, StoreRefused, RedisRefused in one line */
export async function openWorkerStore(config: Config, logs: Logs): Promise<WorkerStore> {
  const { redisUrl } = config;
  if (redisUrl === undefined) {
    throw new ConfigError('a worker needs REDIS_URL: without Redis the registry runs its background jobs itself');
  }
  const policy = await openPolicy(config);
  const newId = idFactory();
  const reach = reachOf(config.crashPoint);
  const telemetry = new Telemetry();
  const webhookFile = await openWebhookFile(config, { logger: logs.logger, telemetry });
  const source = openSource(config);
  const identify = identityFrom(source, newId);
  const opened = await openStore(config, true, { newId, reach, logs, telemetry, identify });
  const redis = await openRedis(config, redisUrl, logs, telemetry);
  const node = config.nodeName === '' ? hostname() : config.nodeName;
  const shared = { config, logs, telemetry, opened, redis, newId, reach, node };
  // A worker does not follow. Whether the store is a replica decides whether its jobs may delete.
  const { logger } = logs;
  const replication = await openReplication({ config, source, opened, newId, node, logger, telemetry, thread: ALONE });
  const { writes, close: closeSwitch } = await openWriteSwitch(config, opened, logger, ALONE, replication.writes);
  const notes = openClusterNotes({ opened, logs, newId, node, writes }, redis);
  const onAppend = (_: number, repo: RepositoryName, seq: number): void => notes.hint(repo, seq);
  const { projection } = openSharedProjection({ ...shared, onAppend, onFound: notes.hint });
  const sessions = openSharedSessions(config, redis, opened, newId, logs);
  const sweepNotes = sweepOf({ opened }, { newest: (repo) => projection.newest(repo), hint: notes.hint });
  const ending = new AbortController();
  const sweepAfterEpoch = async (): Promise<void> => {
    try {
      await sweepNotes(ending.signal);
    } catch (error) {
      // The next sweep finds the same.
      if (!ending.signal.aborted) logs.logger.warn({ err: error }, 'fences of a collection are not noted yet');
    }
  };
  const collect = wireCollection({
    config,
    opened,
    newId,
    reach,
    node,
    projection,
    sessions,
    onReport: (report) => {
      logs.logger.info(summaryOf(report), 'garbage was collected');
      // An epoch writes a fence to every log, beside the views.
      if (report.epochs > 0) void sweepAfterEpoch();
    },
  });
  const webhooks =
    webhookFile &&
    openWebhooks({
      config,
      opened,
      projection,
      writes,
      newId,
      telemetry,
      logger: logs.logger,
      file: webhookFile,
      feed: openOwnFeed({ opened, logs }, notes),
      // A worker serves no clients.
      isBusy: () => false,
    });
  const { retain, lookAhead } = wireRetention({
    opened,
    policy,
    newId,
    projection,
    ...logRetention(logs.logger),
  });
  return {
    ...opened,
    collect: collectWhileWritable(collect, writes, opened.driver, newId),
    retain: retainWhileWritable(retain, writes, opened.driver),
    lookAhead: lookAheadWhileWritable(lookAhead, writes),
    sweepNotes,
    sessions,
    connect: (use) => openJobConnection(redisUrl, use, caOf(config)),
    announce: (jobs) =>
      openPresence({
        newId,
        node,
        logger,
        role: 'worker',
        threads: 1,
        jobs,
        roster: openProcessRoster({ redis, opened, logger }),
        rulesHash: () => undefined,
      }),
    close: async () => {
      await webhooks?.close();
      webhookFile?.close();
      closeSwitch();
      ending.abort();
      await notes.close();
      await redis.close();
      await opened.close();
    },
  };
}
