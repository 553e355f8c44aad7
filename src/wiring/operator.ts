import type { z } from 'zod';
import type { CollectionProgress } from '../collection/collect.ts';
import { type CollectionReport, lastAnswer } from '../collection/report.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { collectionProgress, OPERATOR, retentionProgress } from '../control/protocol.ts';
import { openJobConnection } from '../jobs/bullmq/connection.ts';
import { openJobQueue } from '../jobs/bullmq/start-workers.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RedisAddress } from '../projection/redis/address.ts';
import { deleteRepository } from '../registry/deletion.ts';
import { type Restoration, type Restored, restore } from '../registry/restoration.ts';
import { lastRetentionAnswer, type RetentionReport } from '../retention/report.ts';
import type { RetentionProgress } from '../retention/retain.ts';
import type { StoreReader } from '../storage/driver.ts';
import { idFactory, sleep } from './basics.ts';
import { caOf } from './cluster.ts';
import { wireCollection } from './collection.ts';
import { openSessions } from './embedded.ts';
import { openPolicy, wireRetention } from './retention.ts';
import { openAlone, openShared, requireStoreOwner } from './writable.ts';

const POLL_MS = 200;

/** Whoever changes a store for its operator: the running server, the cluster's workers, or this process alone. */
export interface Operator {
  /** Whether collections and retention are this process's own work. */
  readonly isOwn: boolean;
  /** Begins a collection. Where somebody else does it, it is only asked for. */
  readonly collect: (onProgress: (progress: CollectionProgress) => void) => Promise<Asked<CollectionReport>>;
  /** Begins a run of retention, or asks for it. */
  readonly retain: (onProgress: (progress: RetentionProgress) => void) => Promise<Asked<RetentionReport>>;
  /** @throws RegistryError `name-unknown` */
  readonly deleteRepository: (repo: RepositoryName) => Promise<void>;
  /** @throws RegistryError as `restore` in registry/restoration.ts */
  readonly restore: (repo: RepositoryName, wanted: Restoration) => Promise<Restored>;
  readonly close: () => Promise<void>;
}

/** What an operator asks the workers for. */
interface AskedJob {
  readonly kind: 'collect' | 'retain';
  readonly request: string;
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
  requireStoreOwner(config);
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
        const progress = await server.collectionProgress();
        if (progress !== undefined) onProgress(progress);
      };
      return { report: () => follow(request, () => lastAnswer(reader), look) };
    },
    retain: async (onProgress) => {
      const request = idFactory()();
      await server.retain(request);
      const look = async (): Promise<void> => {
        const progress = await server.retentionProgress();
        if (progress !== undefined) onProgress(progress);
      };
      return { report: () => follow(request, () => lastRetentionAnswer(reader), look) };
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
    sleep,
    troubled: () => {},
  });
  const ask = async (kind: AskedJob['kind']): Promise<AskedJob> => {
    const job = { kind, request: newId() };
    if (await queue.enqueue(job)) return job;
    throw new RegistryError('unavailable', 'the job queue does not answer: is its Redis there?');
  };
  const looking =
    <Progress>(job: AskedJob, schema: z.ZodType<Progress>, onProgress: (progress: Progress) => void) =>
    async (): Promise<void> => {
      // The report is what is waited for. How far it is may stay unknown: Redis is away, the worker of another version.
      const told = schema.safeParse(await queue.progress(job).catch(() => undefined));
      if (told.success) onProgress(told.data);
    };
  return {
    isOwn: false,
    collect: async (onProgress) => {
      const job = await ask('collect');
      const look = looking(job, collectionProgress, onProgress);
      return { report: () => follow(job.request, () => lastAnswer(reader), look) };
    },
    retain: async (onProgress) => {
      const job = await ask('retain');
      const look = looking(job, retentionProgress, onProgress);
      return { report: () => follow(job.request, () => lastRetentionAnswer(reader), look) };
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
        ...{ ...base, config, opened, projection, node: OPERATOR, onReport },
        sessions: openSessions({ ...base, config, opened }),
      });
      return {
        report: async () => {
          try {
            await collect(base.newId(), new AbortController().signal, onProgress);
          } catch (error) {
            // It says so itself.
            if (done?.failed === undefined) throw error;
          }
          if (done === undefined) throw new Error('a collection ended without a report');
          return done;
        },
      };
    },
    retain: async (onProgress) => {
      let done: RetentionReport | undefined;
      const retain = wireRetention({
        ...{ opened, projection, policy: openPolicy(config), newId: base.newId },
        onReport: (report) => {
          done = report;
        },
      });
      return {
        report: async () => {
          await retain(base.newId(), new AbortController().signal, onProgress);
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
  look: () => Promise<void>,
): Promise<Report> {
  for (;;) {
    const report = await last();
    // Requests are ULIDs: a later one's report tells that this one was answered too.
    if (report?.request !== undefined && report.request >= request) return report;
    await look();
    await sleep(POLL_MS);
  }
}
