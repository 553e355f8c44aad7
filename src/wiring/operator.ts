import type { z } from 'zod';
import type { CollectionProgress } from '../collection/collect.ts';
import { createHold, type HoldContent, removeHold } from '../collection/holds.ts';
import { type CollectionReport, collectionReports } from '../collection/report.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { collectionProgress, OPERATOR, retentionProgress } from '../control/protocol.ts';
import { openJobConnection } from '../jobs/bullmq/connection.ts';
import { openJobQueue } from '../jobs/bullmq/start-workers.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { RedisAddress } from '../projection/redis/address.ts';
import { deleteRepository } from '../registry/deletion.ts';
import { type Restoration, type Restored, restore } from '../registry/restoration.ts';
import { type RetentionReport, retentionReports } from '../retention/report.ts';
import type { RetentionProgress } from '../retention/retain.ts';
import type { StoreReader } from '../storage/driver.ts';
import { idFactory, operatorLabel, sleep } from './basics.ts';
import { wireCollection } from './collection.ts';
import { openSessions } from './embedded.ts';
import { requireWritableStore } from './read-only.ts';
import { caOf } from './redis.ts';
import { openPolicy, wireRetention } from './retention.ts';
import type { OpenedStore } from './store.ts';
import { requireStoreOwner } from './store-owner.ts';
import { openAlone, openShared } from './writable.ts';

const POLL_MS = 200;

/** Changes a store for an operator's command: through the running server, through the cluster's workers, or in this process. */
export interface Operator {
  /** Whether collections and retention run in this process. */
  readonly runsHere: boolean;
  /** Starts a collection, or requests it from the process that will run it. */
  readonly collect: (onProgress: (progress: CollectionProgress) => void) => Promise<Started<CollectionReport>>;
  /** Starts a retention run, or requests it. */
  readonly retain: (onProgress: (progress: RetentionProgress) => void) => Promise<Started<RetentionReport>>;
  /** @throws RegistryError `name-unknown` */
  readonly deleteRepository: (repo: RepositoryName) => Promise<void>;
  /** @throws RegistryError as `restore` in registry/restoration.ts */
  readonly restore: (repo: RepositoryName, wanted: Restoration) => Promise<Restored>;
  /** Creates a hold. */
  readonly hold: (id: Incarnation, content: HoldContent) => Promise<void>;
  /** Ends a hold. */
  readonly release: (id: Incarnation) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A job that an operator requests from the workers. */
interface RequestedJob {
  readonly kind: 'collect' | 'retain';
  readonly request: string;
}

export interface Started<Report> {
  /** Resolves when the run has ended. */
  readonly report: () => Promise<Report>;
}

/**
 * Opens a store for an operator's command.
 * @param reader of the same store
 * @throws RegistryError `read-only`, `writes-paused`; StoreRefused, RedisRefused in one line
 */
export async function openOperator(config: Config, reader: StoreReader, place: string): Promise<Operator> {
  await requireWritableStore(config, reader);
  const { redisUrl } = config;
  requireStoreOwner(config);
  if (redisUrl !== undefined) return await openCluster(config, redisUrl, reader);
  const server = config.storageDriver === 'filesystem' ? await ControlClient.connect(place) : undefined;
  return server === undefined ? await openHere(config) : throughServer(server, reader);
}

function throughServer(server: ControlClient, reader: StoreReader): Operator {
  return {
    runsHere: false,
    collect: async (onProgress) => {
      const request = idFactory()();
      await server.collect(request);
      const poll = async (): Promise<void> => {
        const progress = await server.collectionProgress();
        if (progress !== undefined) onProgress(progress);
      };
      return { report: () => follow(request, () => collectionReports.lastRequested(reader), poll) };
    },
    retain: async (onProgress) => {
      const request = idFactory()();
      await server.retain(request);
      const poll = async (): Promise<void> => {
        const progress = await server.retentionProgress();
        if (progress !== undefined) onProgress(progress);
      };
      return { report: () => follow(request, () => retentionReports.lastRequested(reader), poll) };
    },
    deleteRepository: (repo) => server.deleteRepository(repo),
    restore: (repo, wanted) => server.restore(repo, wanted),
    hold: (id, content) => server.hold(id, content),
    release: (id) => server.release(id),
    close: async () => {},
  };
}

async function openCluster(config: Config, address: RedisAddress, reader: StoreReader): Promise<Operator> {
  const { opened, projection, newId, close } = await openShared(config, address);
  // A command has no log, and `enqueue` reports its failures only here. So the last one goes into the command's own error.
  let queueError: unknown;
  const queue = openJobQueue({
    store: opened.instance,
    connect: (use) => openJobConnection(address, use, caOf(config)),
    now: Date.now,
    sleep,
    onError: (error) => {
      queueError = error;
    },
  });
  const enqueue = async (kind: RequestedJob['kind']): Promise<RequestedJob> => {
    const job = { kind, request: newId() };
    if (await queue.enqueue(job)) return job;
    const reason = queueError instanceof Error ? queueError.message : 'no reason given';
    const message = `the job queue did not accept the request (${reason}): check Redis`;
    throw new RegistryError('unavailable', message, undefined, queueError);
  };
  const progressOf =
    <Progress>(job: RequestedJob, schema: z.ZodType<Progress>, onProgress: (progress: Progress) => void) =>
    async (): Promise<void> => {
      const progress = schema.safeParse(await queue.progress(job).catch(withoutProgress));
      if (progress.success) onProgress(progress.data);
    };
  return {
    runsHere: false,
    collect: async (onProgress) => {
      const job = await enqueue('collect');
      const poll = progressOf(job, collectionProgress, onProgress);
      return { report: () => follow(job.request, () => collectionReports.lastRequested(reader), poll) };
    },
    retain: async (onProgress) => {
      const job = await enqueue('retain');
      const poll = progressOf(job, retentionProgress, onProgress);
      return { report: () => follow(job.request, () => retentionReports.lastRequested(reader), poll) };
    },
    deleteRepository: (repo) => deleteRepository(repo, operatorLabel(), { projection }),
    restore: (repo, wanted) => restore(repo, wanted, operatorLabel(), { projection, driver: opened.driver }),
    ...holdsOf(opened),
    close: async () => {
      await queue.close();
      await close();
    },
  };
}

async function openHere(config: Config): Promise<Operator> {
  const { base, opened, projection, close } = await openAlone(config);
  return {
    runsHere: true,
    collect: async (onProgress) => {
      let done: CollectionReport | undefined;
      const onReport = (report: CollectionReport): void => {
        done = report;
      };
      const collect = wireCollection({
        ...base,
        config,
        opened,
        projection,
        node: OPERATOR,
        onReport,
        sessions: openSessions({ ...base, config, opened }),
      });
      return {
        report: async () => {
          try {
            await collect(base.newId(), new AbortController().signal, onProgress);
          } catch (error) {
            // A failure in the report is for the caller of `report` to show.
            if (done?.failed === undefined) throw error;
          }
          if (done === undefined) throw new Error('a collection ended without a report');
          return done;
        },
      };
    },
    retain: async (onProgress) => {
      let done: RetentionReport | undefined;
      const { retain } = wireRetention({
        opened,
        projection,
        policy: await openPolicy(config),
        newId: base.newId,
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
    deleteRepository: (repo) => deleteRepository(repo, operatorLabel(), { projection }),
    restore: (repo, wanted) => restore(repo, wanted, operatorLabel(), { projection, driver: opened.driver }),
    ...holdsOf(opened),
    close,
  };
}

function holdsOf({ driver }: Pick<OpenedStore, 'driver'>): Pick<Operator, 'hold' | 'release'> {
  return { hold: (id, content) => createHold(driver, id, content), release: (id) => removeHold(driver, id) };
}

/**
 * Only the report matters, which the command reads from the store. The progress is unavailable if Redis is, or if the worker has
 * another version.
 */
function withoutProgress(): undefined {
  return undefined;
}

/** Waits for the report of this request. */
async function follow<Report extends { readonly request?: string | undefined }>(
  request: string,
  last: () => Promise<Report | undefined>,
  poll: () => Promise<void>,
): Promise<Report> {
  for (;;) {
    const report = await last();
    // Requests are ULIDs and run in order, so the report of a later one means that this one has run, too.
    if (report?.request !== undefined && report.request >= request) return report;
    await poll();
    await sleep(POLL_MS);
  }
}
