import type { RobotsLog } from '../access/robots/log.ts';
import type { Config } from '../config.ts';
import type { Doorbell } from '../feed/waiters.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { OwnerDesk } from '../operations/interface.ts';
import type { Presence } from '../operations/roster/presence.ts';
import type { Projection, Replayer, SlotsShown } from '../projection/projection.ts';
import type { RequestSessions } from '../registry/sessions.ts';
import type { WriteSwitch } from '../registry/write-switch.ts';
import type { Lease } from '../replica/lease.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import type { ReachStep } from '../storage/crash-points.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { Thread } from '../threads/thread.ts';
import type { ExpiryWatch } from './expiring.ts';
import type { Jobs } from './jobs.ts';
import type { Counted, UsageFeed } from './quotas.ts';
import type { OpenedStore } from './store.ts';
import type { WebhookFile } from './webhook-file.ts';

/** What both shapes are built from. */
export interface ShapePorts {
  readonly config: Config;
  readonly logs: Logs;
  readonly telemetry: Telemetry;
  readonly opened: OpenedStore;
  /** The policy from RETENTION_FILE, if it is set. */
  readonly policy: RetentionPolicy | undefined;
  /** Pulls of this node's clients, if a retention rule depends on them. */
  readonly pulls: { readonly flush: () => Promise<void> } | undefined;
  /** The tags that retention will delete next, if a rule deletes tags. */
  readonly expiring: Pick<ExpiryWatch, 'reload'> | undefined;
  readonly usage: UsageFeed;
  /** The webhooks of WEBHOOKS_FILE, if it is set; for the thread that delivers. */
  readonly webhookFile: WebhookFile | undefined;
  /** SHA-256 of the ACCESS_FILE in use, in hex; undefined without one. */
  readonly rulesHash: () => string | undefined;
  /** Whether the store may be written to. */
  readonly writes: WriteSwitch;
  readonly robots: RobotsLog;
  /** Makes this store a primary, if it is a replica. */
  readonly promote: () => Promise<void>;
  readonly newId: () => Incarnation;
  readonly reach: ReachStep;
  /** Name of this process in the event log. */
  readonly node: string;
  readonly thread: Thread;
  /**
   * This thread's part in a data folder that the process has alone. `alone` with any other store: there each thread works as a node of
   * its own.
   */
  readonly folderThread: Thread;
}

/** How a thread reports what it appends, and learns of new notes. */
export interface ShapeNotes {
  /** A repository's log has this slot, and every view shows it. */
  readonly hint: (repo: RepositoryName, seq: number) => void;
  readonly doorbell: Doorbell;
  /** The newest note; absent if only the store knows. */
  readonly newest: (() => number | undefined) | undefined;
  /** Notes up to this one were copied from another store; they named these slots. Only the owner of a process calls it. */
  readonly copied: (reached: ReadonlyMap<RepositoryName, number>, seq: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** The parts in which the shapes differ: views and sessions. */
export interface Shape {
  readonly projection: Projection & SlotsShown;
  /** Changes repositories if this store is a replica. */
  readonly replayer: Replayer;
  /** Decides which process follows, if there are several. */
  readonly lease: Lease | undefined;
  readonly sessions: RequestSessions;
  /** How quotas find out what repositories use. */
  readonly counted: Counted;
  readonly notes: ShapeNotes;
  /** What this process knows and does once. */
  readonly operations: OwnerDesk;
  /** Hands background work to the process, or to the workers of a cluster. */
  readonly enqueue: Jobs['enqueue'];
  /** What the process says of itself; undefined on a thread that is not its owner. */
  readonly presence: Pick<Presence, 'listens' | 'drains'> | undefined;
  /** Resolves once Redis has answered; undefined outside a cluster. */
  readonly askRedis: (() => Promise<void>) | undefined;
  /** Gauges of the metrics. */
  readonly viewBytes: () => number;
  readonly viewRepositories: () => number;
  readonly close: () => Promise<void>;
}
