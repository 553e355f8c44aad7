import type { Orderer } from '../access/admin/interface.ts';
import type { RunReport } from '../backup/run-reports.ts';
import type { CollectionReport } from '../collection/report.ts';
import type { DeadLetter, JobCounts } from '../jobs/queue.ts';
import type { Incarnation } from '../oci/names.ts';
import type { WriteState } from '../registry/write-switch.ts';
import type { Behind } from '../replica/behind.ts';
import type { Lag } from '../replica/lag.ts';
import type { RetentionReport } from '../retention/report.ts';
import type { WebhookReport } from '../webhooks/report.ts';
import type { ReplicaSighting } from './replicas.ts';
import type { Listed } from './roster/roster.ts';

/** What administrators see of a running registry, and can order. All values can be sent from one thread to another. */

/** A thread of the process. */
export interface ThreadFacts {
  /** From 0. */
  readonly index: number;
  /** Requests in progress; undefined if the thread did not answer in time. */
  readonly inFlight: number | undefined;
}

/** The process that answers. */
export interface NodeFacts {
  readonly name: string;
  /** Of Marina. */
  readonly version: string;
  readonly shape: 'embedded' | 'cluster';
  /** Short name of the storage driver. */
  readonly storage: string;
  /** ULID of the store. */
  readonly store: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Whether there are rules of retention that can be applied. */
  readonly hasRetention: boolean;
  /** Resident bytes. */
  readonly memory: number;
  readonly threads: readonly ThreadFacts[];
}

/** `late`: not heard for some time. `gone`: not heard for a minute, and it did not say that it ends. */
export type ProcessState = 'alive' | 'late' | 'draining' | 'gone';

/** A process that serves this registry, or works for it. */
export interface ProcessFacts {
  /** ULID of this run of the process. */
  readonly id: string;
  readonly name: string;
  readonly role: 'node' | 'worker';
  /** Whether it is the one that answers. */
  readonly isThis: boolean;
  readonly state: ProcessState;
  /** How long it has not been heard, in milliseconds. */
  readonly silentFor: number;
  /** The process on its machine. */
  readonly pid: number;
  /** Of Marina. */
  readonly version: string;
  readonly threads: number;
  /** Milliseconds since 1970, by its own clock. */
  readonly startedAt: number;
  /** The kinds of jobs that a worker runs. */
  readonly jobs: readonly string[];
  /** Where a node listens. */
  readonly address: string | undefined;
  /** SHA-256 of the ACCESS_FILE in use, in hex. */
  readonly rules: string | undefined;
}

export interface ProcessList {
  readonly processes: readonly ProcessFacts[];
  /** Why only the one that answers is listed. */
  readonly problem: string | undefined;
}

/** Something that the process depends on. */
export interface ServiceHealth {
  readonly name: 'store' | 'redis';
  /** Of one request; undefined if it failed. */
  readonly milliseconds: number | undefined;
  /** Why it failed. */
  readonly problem: string | undefined;
}

/** Whether writes are accepted. @property since of the switch: ISO 8601, or `unknown` @property by who turned it */
export interface WriteFacts {
  readonly state: WriteState;
  readonly since: string | undefined;
  readonly by: string | undefined;
}

export interface JobFacts {
  readonly counts: readonly JobCounts[];
  /** The newest ones. */
  readonly deadLetters: readonly DeadLetter[];
}

/** What keeps old content. */
export interface HoldFacts {
  readonly id: string;
  /** Whether it is that of a backup in progress. */
  readonly isBackup: boolean;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly moment: number;
  readonly created: number;
  readonly until: number;
  /** When a backup was heard last. */
  readonly renewedAt: number;
  readonly by: string;
  /** How many repositories it names. */
  readonly repositories: number;
}

/** A registry that copies this one. */
export interface ReplicaFacts {
  /** ULID of its objects. */
  readonly id: string;
  /** Of the process that copies. */
  readonly name: string;
  /** Its address, as far as it is known. */
  readonly client: string | undefined;
  /** How long it has made no request, in milliseconds. One that has everything makes one every 30 s. */
  readonly silentFor: number;
  /** The last note that it has, and how far that is from the newest one. */
  readonly note: number;
  readonly behind: Behind;
}

/** A part of the overview. A part that cannot be read in time does not hold up the others. */
export type Part<T> =
  | { readonly kind: 'known'; readonly value: T }
  | { readonly kind: 'unknown'; readonly problem: string };

export interface OperationsOverview {
  readonly node: Part<NodeFacts>;
  readonly processes: Part<ProcessList>;
  readonly services: readonly ServiceHealth[];
  readonly writes: Part<WriteFacts>;
  readonly jobs: Part<JobFacts>;
  /** Those of WEBHOOKS_FILE; undefined if that is not set. */
  readonly webhooks: Part<readonly WebhookReport[] | undefined>;
  /** undefined if this store is no replica and never was one. */
  readonly replica: Part<Lag | undefined>;
  /** Those that follow this store, of the last day; embedded, since the start of the process. */
  readonly replicas: Part<readonly ReplicaFacts[]>;
  /** The last run; undefined before the first one. */
  readonly collection: Part<CollectionReport | undefined>;
  readonly retention: Part<RetentionReport | undefined>;
  readonly holds: Part<readonly HoldFacts[]>;
  /** The last backups that ended, the newest first. */
  readonly backups: Part<readonly RunReport[]>;
}

/** What an administrator wants to happen. */
export type OperationsOrder =
  | { readonly kind: 'read-only'; readonly on: boolean }
  | { readonly kind: 'collect' }
  | { readonly kind: 'retain' }
  | { readonly kind: 'retry-job'; readonly id: string }
  | { readonly kind: 'pause-webhook' | 'resume-webhook' | 'test-webhook'; readonly name: string }
  /** @property since as `marina webhooks replay` takes it */
  | { readonly kind: 'replay-webhook'; readonly name: string; readonly since: string };

/** @property isDone false: it was accepted, and happens later; or a test was refused @property message one line, for people */
export interface OrderOutcome {
  readonly isDone: boolean;
  readonly message: string;
}

/** For administrators: callers of these methods check the right to administer the registry. */
export interface Operations {
  overview(): Promise<OperationsOverview>;
  /**
   * Carries out an order, and writes a line to the log.
   * @throws RegistryError `request-invalid` if it is not possible; `read-only`, `writes-paused`, `replica`, `unavailable`
   */
  order(order: OperationsOrder, by: Orderer): Promise<OrderOutcome>;
}

/** What one thread of a process knows and does for all of them. */
export interface OwnerDesk {
  node(): Promise<NodeFacts>;
  /** All processes of the registry, as far as they are known. */
  processes(): Promise<ProcessList>;
  jobs(): Promise<JobFacts>;
  webhooks(): Promise<readonly WebhookReport[] | undefined>;
  /** The replicas that were seen, the one seen last first. */
  replicas(): Promise<readonly Listed<ReplicaSighting>[]>;
  sawReplica(id: Incarnation, sighting: ReplicaSighting): Promise<void>;
  /** @param actor the label of who ordered it @throws as `Operations.order` */
  order(order: OperationsOrder, actor: string): Promise<OrderOutcome>;
}

export const OWNER_CALLS = [
  ...(['node', 'processes', 'jobs', 'webhooks', 'replicas', 'sawReplica', 'order'] as const),
] satisfies readonly (keyof OwnerDesk)[];
