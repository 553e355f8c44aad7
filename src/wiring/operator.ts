import { setTimeout as delay } from 'node:timers/promises';
import type { CollectionProgress } from '../collection/collect.ts';
import { type CollectionReport, lastAnswer } from '../collection/report.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { OPERATOR } from '../control/protocol.ts';
import { openJobConnection } from '../jobs/bullmq/connection.ts';
import { openJobQueue } from '../jobs/bullmq/start-workers.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RedisAddress } from '../projection/redis/address.ts';
import { deleteRepository } from '../registry/deletion.ts';
import { type Restoration, type Restored, restore } from '../registry/restoration.ts';
import { lastRetentionAnswer, type RetentionReport } from '../retention/report.ts';
import type { StoreReader } from '../storage/driver.ts';
import { idFactory, sleep } from './basics.ts';
import { caOf } from './cluster.ts';
import { wireCollection } from './collection.ts';
import { openPolicy, wireRetention } from './retention.ts';
import { openAlone, openShared } from './writable.ts';

const POLL_MS = 200;

/** Whoever changes a store for its operator: the running server, the cluster's workers, or this process alone. */
export interface Operator {
  /** Whether collections and retention are this process's own work. */
  readonly isOwn: boolean;
  /** Begins a collection. Where somebody else does it, it is only asked for. */
  readonly collect: (onProgress: (progress: CollectionProgress) => void) => Promise<Asked<CollectionReport>>;
  /** Begins a run of retention, or asks for it. */
  readonly retain: () => Promise<Asked<RetentionReport>>;
  /** @throws RegistryError `name-unknown` */
  readonly deleteRepository: (repo: RepositoryName) => Promise<void>;
  /** @throws RegistryError as `restore` in registry/restoration.ts */
  readonly restore: (repo: RepositoryName, wanted: Restoration) => Promise<Restored>;
  readonly close: () => Promise<void>;
}

export interface Asked<Report> {
  /** Resolves when it ended. */
  readonly report: () => Promise<Report>;
}

/**
 * @param reader of the same store
 * @throws StoreRefused, RedisRefused in one line
 */
export async function openOperator(config: Config, reader: StoreReader, place: string): Promise<Operator> {
  const { redisUrl } = config;
  if (redisUrl !== undefined) return await openCluster(config, redisUrl, reader);
  const server = config.storageDriver === 'filesystem' ? await ControlClient.connect(place) : undefined;
  return server === undefined ? await openOwn(config) : besideServer(server, reader);
}

function besideServer(server: ControlClient, reader: StoreReader): Operator {
  return {
    isOwn: false,
    collect: async (onProgress) => {
      const request = idFactory()();
      await server.collect(request);
      const look = async (): Promise<void> => {
        const progress = await server.progress();
        if (progress !== undefined) onProgress(progress);
      };
      return { report: () => follow(request, () => lastAnswer(reader), look) };
    },
    retain: async () => {
      const request = idFactory()();
      await server.retain(request);
      return { report: () => follow(request, () => lastRetentionAnswer(reader)) };
    },
    deleteRepository: (repo) => server.deleteRepository(repo),
    restore: (repo, wanted) => server.restore(repo, wanted),
    close: async () => {},
  };
}

async function openCluster(config: Config, address: RedisAddress, reader: StoreReader): Promise<Operator> {
  const { opened, projection, newId, close } = await openShared(config, address);
  const queue = openJobQueue({
    store: opened.store,
    connect: (use) => openJobConnection(address, use, caOf(config)),
    now: Date.now,
    sleep: (milliseconds, signal) => sleep(milliseconds, signal),
    troubled: () => {},
  });
  const ask = async (kind: 'collect' | 'retain'): Promise<string> => {
    const request = newId();
    if (await queue.enqueue({ kind, request })) return request;
    throw new RegistryError('unavailable', 'the job queue does not answer: is its Redis there?');
  };
  return {
    isOwn: false,
    collect: async () => {
      const request = await ask('collect');
      return { report: () => follow(request, () => lastAnswer(reader)) };
    },
    retain: async () => {
      const request = await ask('retain');
      return { report: () => follow(request, () => lastRetentionAnswer(reader)) };
    },
    deleteRepository: (repo) => deleteRepository(repo, OPERATOR, { projection }),
    restore: (repo, wanted) => restore(repo, wanted, OPERATOR, { projection, driver: opened.driver }),
    close: async () => {
      await queue.close();
      await close();
    },
  };
}

async function openOwn(config: Config): Promise<Operator> {
  const { base, opened, projection, close } = await openAlone(config);
  return {
    isOwn: true,
    collect: async (onProgress) => {
      let done: CollectionReport | undefined;
      const onReport = (report: CollectionReport): void => {
        done = report;
      };
      const collect = wireCollection({
        ...{ ...base, config, opened, projection, node: OPERATOR, onReport, onProgress },
      });
      return {
        report: async () => {
          try {
            await collect(base.newId(), new AbortController().signal);
          } catch (error) {
            // It says so itself.
            if (done?.failed === undefined) throw error;
          }
          if (done === undefined) throw new Error('a collection ended without a report');
          return done;
        },
      };
    },
    retain: async () => {
      let done: RetentionReport | undefined;
      const retain = wireRetention({
        ...{ opened, projection, policy: openPolicy(config), newId: base.newId },
        onReport: (report) => {
          done = report;
        },
      });
      return {
        report: async () => {
          await retain(base.newId(), new AbortController().signal);
          if (done === undefined) throw new Error('a run of retention ended without a report');
          return done;
        },
      };
    },
    deleteRepository: (repo) => deleteRepository(repo, OPERATOR, { projection }),
    restore: (repo, wanted) => restore(repo, wanted, OPERATOR, { projection, driver: opened.driver }),
    close,
  };
}

/** Waits for the report that answers this request. */
async function follow<Report extends { readonly request?: string | undefined }>(
  request: string,
  last: () => Promise<Report | undefined>,
  look: () => Promise<void> = async () => {},
): Promise<Report> {
  for (;;) {
    const report = await last();
    // Requests are ULIDs: a later one's report tells that this one was answered too.
    if (report?.request !== undefined && report.request >= request) return report;
    await look();
    await delay(POLL_MS);
  }
}
