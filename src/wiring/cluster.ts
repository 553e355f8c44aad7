import { SNAPSHOT_SLOTS } from '../journal/snapshot-due.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { OwnerDesk } from '../operations/interface.ts';
import type { Presence } from '../operations/roster/presence.ts';
import type { RedisAddress } from '../projection/redis/address.ts';
import type { RedisConnection } from '../projection/redis/connection.ts';
import { RedisLease } from '../replica/lease.ts';
import { within } from '../system/within.ts';
import { openClusterNotes, openOwnFeed } from './feed.ts';
import { type Jobs, jobsOfOwner } from './jobs.ts';
import type { Shape, ShapeNotes, ShapePorts } from './node-ports.ts';
import { deskOfOwner, openOwnerDesk } from './operations.ts';
import { openPresence, openProcessRoster, openReplicaRoster } from './presence.ts';
import { openRedis, openSharedProjection, openSharedSessions } from './redis.ts';
import { threadsOf } from './thread-share.ts';
import { openWebhookDesk } from './webhook-operator.ts';

/** How old the count of what other nodes wrote may be, and how often one repository is counted that this node writes to. */
const COUNTING = { kind: 'always', everyMs: 15_000, pauseMs: 2_000 } as const;

/** Wires a node of a cluster, with views, sessions and jobs in Redis. Redis may be unavailable at times. */
export async function wireCluster(ports: ShapePorts, address: RedisAddress): Promise<Shape> {
  const { config, logs, telemetry, opened, newId } = ports;
  const redis = await openRedis(config, address, logs, telemetry);
  const notes = openClusterNotes(ports, redis);
  const { jobs, operations, presence } = await openParts(ports, notes, redis, address);
  const onAppend = (events: number, repo: RepositoryName, seq: number): void => {
    telemetry.appended(events);
    ports.usage.appended(repo);
    notes.hint(repo, seq);
    // All nodes append to the log, so none knows how many slots follow the last snapshot. A worker checks whether one is due.
    if (seq % SNAPSHOT_SLOTS === 0) void jobs.enqueue({ kind: 'snapshot', repo });
  };
  const { fold, projection } = openSharedProjection({ ...ports, redis, onAppend, onFound: notes.hint });
  return {
    projection,
    replayer: projection,
    lease: new RedisLease(redis, opened.instance, newId()),
    counted: {
      store: {
        repositories: (after, limit) => projection.repositories(after, limit),
        newest: (repo) => projection.newest(repo),
        // Redis has no sums. Slots are folded once; later counts read only the new ones, as long as the memory for views lasts.
        usage: (repo) => fold.usage(repo),
      },
      sharing: COUNTING,
    },
    notes,
    operations,
    enqueue: (job) => jobs.enqueue(job),
    presence,
    askRedis: () => askRedis(redis),
    sessions: openSharedSessions(config, redis, opened, newId, logs),
    viewBytes: () => fold.weight,
    viewRepositories: () => fold.size,
    close: async () => {
      await presence?.close();
      await jobs.close();
      await notes.close();
      await redis.close();
    },
  };
}

interface Parts {
  readonly jobs: Jobs;
  readonly operations: OwnerDesk;
  readonly presence: Presence | undefined;
}

/** The queues belong to one thread of a process. Only that one loads their library. */
async function openParts(
  ports: ShapePorts,
  notes: ShapeNotes,
  redis: RedisConnection,
  address: RedisAddress,
): Promise<Parts> {
  const { thread, config, opened, newId, webhookFile: file, logs } = ports;
  if (thread.kind === 'other')
    return { jobs: jobsOfOwner(thread), operations: deskOfOwner(thread), presence: undefined };
  const { openClusterJobs } = await import('./cluster-jobs.ts');
  const { board, ...jobs } = openClusterJobs(ports, address);
  const { logger } = logs;
  const roster = openProcessRoster({ redis, opened, logger });
  const presence = openPresence({
    ...ports,
    logger,
    roster,
    role: 'node',
    jobs: [],
    threads: threadsOf(thread),
  });
  const operations = openOwnerDesk({
    ...ports,
    ...jobs,
    presence,
    roster,
    replicas: openReplicaRoster({ redis, opened, logger }),
    board,
    feed: openOwnFeed(ports, notes),
    // A worker delivers.
    desk: openWebhookDesk({ config, opened, newId, file, service: undefined }),
    // Each thread of a cluster reads the switch by itself.
    turned: async () => {},
  });
  return { jobs, operations, presence };
}

/** How long Redis may take to answer a person who looks, in milliseconds. */
const REDIS_WITHIN_MS = 1_500;

async function askRedis(redis: Pick<RedisConnection, 'ready' | 'ping'>): Promise<void> {
  const answered = redis.ready(REDIS_WITHIN_MS).then(async (isConnected) => {
    if (isConnected) await redis.ping();
    return isConnected;
  });
  if (!(await within(REDIS_WITHIN_MS, answered))) throw new Error('Redis does not answer');
}
