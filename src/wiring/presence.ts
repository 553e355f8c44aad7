import type { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { type ReplicaSighting, replicaSighting } from '../operations/replicas.ts';
import { type Announcement, announced, announcement } from '../operations/roster/announcement.ts';
import { Presence } from '../operations/roster/presence.ts';
import { RedisRoster, type Roster } from '../operations/roster/roster.ts';
import type { RedisCommands } from '../projection/redis/commands.ts';
import { LineThrottle } from '../telemetry/line-throttle.ts';
import type { Logger } from '../telemetry/log.ts';
import { repeat } from './basics.ts';
import type { ShapePorts } from './node-ports.ts';
import type { OpenedStore } from './store.ts';

interface RosterWiring {
  readonly redis: RedisCommands;
  readonly opened: Pick<OpenedStore, 'instance'>;
  readonly logger: Logger;
}

/** The processes of a cluster. */
export function openProcessRoster(ports: RosterWiring): Roster<Announcement> {
  return openRoster('processes', announcement, ports);
}

/** The replicas of a cluster's store. */
export function openReplicaRoster(ports: RosterWiring): Roster<ReplicaSighting> {
  return openRoster('replicas', replicaSighting, ports);
}

function openRoster<T>(name: string, schema: z.ZodType<T>, { redis, opened, logger }: RosterWiring): Roster<T> {
  const throttle = new LineThrottle(() => performance.now());
  return new RedisRoster({
    redis,
    store: opened.instance,
    name,
    schema,
    malformed: (error) => {
      const skipped = throttle.admit();
      if (skipped === undefined) return;
      logger.error({ err: error, skipped, list: name }, 'Redis has malformed values in a list: they are not shown');
    },
  });
}

interface PresenceWiring extends Pick<ShapePorts, 'newId' | 'node'> {
  readonly logger: Logger;
  readonly roster: Roster<Announcement> | undefined;
  readonly role: Announcement['role'];
  readonly threads: number;
  /** The kinds of jobs that a worker runs. */
  readonly jobs: readonly string[];
  readonly rulesHash: ShapePorts['rulesHash'];
}

/** What this process says of itself. Only one thread of a process calls it. */
export function openPresence(ports: PresenceWiring): Presence {
  const { newId, node, logger, roster, role, threads, jobs, rulesHash } = ports;
  return new Presence({
    id: newId(),
    about: {
      name: announced(node),
      role,
      pid: process.pid,
      version: packageJson.version,
      threads,
      started: Date.now() - process.uptime() * 1000,
      jobs: [...jobs],
    },
    rules: rulesHash,
    roster,
    repeat,
    now: Date.now,
    failed: (error) =>
      logger.warn({ err: error }, 'this process could not tell Redis that it is there; it is tried again'),
  });
}
