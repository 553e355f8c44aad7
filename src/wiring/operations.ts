import packageJson from '../../package.json' with { type: 'json' };
import type { Feed } from '../feed/feed.ts';
import type { JobBoard } from '../jobs/queue.ts';
import { type Operations, OWNER_CALLS, type OwnerDesk } from '../operations/interface.ts';
import { NodeOperations } from '../operations/operations.ts';
import { ProcessDesk } from '../operations/owner-desk.ts';
import { type ReplicaSighting, ReplicaWatch } from '../operations/replicas.ts';
import type { Announcement } from '../operations/roster/announcement.ts';
import type { Presence } from '../operations/roster/presence.ts';
import type { Roster } from '../operations/roster/roster.ts';
import type { HttpSource } from '../replica/http-source.ts';
import type { Logger } from '../telemetry/log.ts';
import { offer, remote } from '../threads/calls.ts';
import type { ThreadPorts } from '../threads/thread.ts';
import type { Jobs } from './jobs.ts';
import type { ShapePorts } from './node-ports.ts';
import type { WebhookDesk } from './webhook-operator.ts';

interface OwnerWiring
  extends Pick<
    ShapePorts,
    'config' | 'opened' | 'node' | 'thread' | 'telemetry' | 'policy' | 'writes' | 'webhookFile'
  > {
  readonly presence: Presence;
  /** undefined for a process that has its store for itself. */
  readonly roster: Roster<Announcement> | undefined;
  readonly replicas: Roster<ReplicaSighting>;
  readonly board: JobBoard;
  readonly enqueue: Jobs['enqueue'];
  readonly feed: Feed;
  readonly desk: WebhookDesk;
  /** Called when the read-only switch was turned. */
  readonly turned: () => Promise<void>;
}

/** Opens the desk of a process, and offers it to the other threads. */
export function openOwnerDesk(ports: OwnerWiring): OwnerDesk {
  const { config, opened, node, thread, telemetry, policy, writes, webhookFile, desk: webhooks } = ports;
  const { presence, roster, replicas, board, enqueue, feed, turned } = ports;
  const others = thread.kind === 'owner' ? thread.others : [];
  const desk = new ProcessDesk({
    about: {
      name: node,
      version: packageJson.version,
      storage: opened.driver.kind,
      store: opened.store,
      shape: config.redisUrl === undefined ? 'embedded' : 'cluster',
      startedAt: Date.now() - process.uptime() * 1000,
      hasRetention: policy !== undefined,
    },
    threads: [
      { index: 0, inFlight: async () => telemetry.requests.inFlight },
      ...others.map(({ index, serving }) => ({ index, inFlight: () => serving.inFlight() })),
    ],
    memory: () => process.memoryUsage.rss(),
    listed: roster && (() => roster.list()),
    presence,
    replicas,
    board,
    enqueue,
    writes,
    turned,
    feed,
    webhooks: webhookFile && (() => webhookFile.current()),
    orderWebhook: webhooks.order,
    tryWebhookOut: webhooks.tryOut,
    reader: opened.driver,
    now: Date.now,
  });
  if (others.length > 0) {
    const offered: OwnerDesk = {
      node: () => desk.node(),
      processes: () => desk.processes(),
      jobs: () => desk.jobs(),
      webhooks: () => desk.webhooks(),
      replicas: () => desk.replicas(),
      sawReplica: (...seen) => desk.sawReplica(...seen),
      order: (...order) => desk.order(...order),
    };
    for (const { services } of others) offer<OwnerDesk>(services.operations, offered);
  }
  return desk;
}

/** The desk of this thread's process. */
export function deskOfOwner({ services }: ThreadPorts): OwnerDesk {
  return remote<OwnerDesk>(services.operations, OWNER_CALLS);
}

interface OperationsWiring extends Pick<ShapePorts, 'config' | 'opened' | 'writes' | 'logs'> {
  readonly owner: OwnerDesk;
  readonly source: HttpSource | undefined;
  readonly askRedis: (() => Promise<void>) | undefined;
}

/** What administrators see and order, on any thread. */
export function openOperations({ config, opened, writes, logs: { logger }, ...ports }: OperationsWiring): Operations {
  return new NodeOperations({
    ...ports,
    reader: opened.driver,
    isReadOnly: config.readOnly,
    writes,
    now: Date.now,
    onOrder: (order, { isDone }, { actor, id, client }) =>
      logger.info({ requestId: id, client, actor: actor.label, order, isDone }, 'an administrator gave an order'),
  });
}

/** Notices the replicas that make requests to this thread. */
export function openReplicaWatch(owner: OwnerDesk, logger: Logger): ReplicaWatch {
  return new ReplicaWatch({
    report: (id, sighting) => owner.sawReplica(id, sighting),
    failed: (error) => logger.warn({ err: error }, 'it could not be recorded which replicas follow this registry'),
    now: () => performance.now(),
  });
}
