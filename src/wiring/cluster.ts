import { SNAPSHOT_SLOTS } from '../journal/snapshot-due.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RedisAddress } from '../projection/redis/address.ts';
import { RedisLease } from '../replica/lease.ts';
import { openClusterNotes } from './feed.ts';
import { type Jobs, jobsOfOwner } from './jobs.ts';
import type { Shape, ShapePorts } from './node-ports.ts';
import { openRedis, openSharedProjection, openSharedSessions } from './redis.ts';

/** How old the count of what other nodes wrote may be, and how often one repository is counted that this node writes to. */
const COUNTING = { kind: 'always', everyMs: 15_000, pauseMs: 2_000 } as const;

/** Wires a node of a cluster, with views, sessions and jobs in Redis. Redis may be unavailable at times. */
export async function wireCluster(ports: ShapePorts, address: RedisAddress): Promise<Shape> {
  const { config, logs, telemetry, opened, newId } = ports;
  const redis = await openRedis(config, address, logs, telemetry);
  const jobs = await openJobs(ports, address);
  const notes = openClusterNotes(ports, redis);
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
    sessions: openSharedSessions(config, redis, opened, newId, logs),
    viewBytes: () => fold.weight,
    viewRepositories: () => fold.size,
    close: async () => {
      await jobs.close();
      await notes.close();
      await redis.close();
    },
  };
}

/** The queues belong to one thread of a process. Only that one loads their library. */
async function openJobs(ports: ShapePorts, address: RedisAddress): Promise<Jobs> {
  if (ports.thread.kind === 'other') return jobsOfOwner(ports.thread);
  const { openClusterJobs } = await import('./cluster-jobs.ts');
  return openClusterJobs(ports, address);
}
