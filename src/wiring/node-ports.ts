import type { Config } from '../config.ts';
import type { JobQueue } from '../jobs/queue.ts';
import type { Incarnation } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import type { SessionStore } from '../registry/sessions.ts';
import type { WriteSwitch } from '../registry/write-switch.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import type { ReachStep } from '../storage/crash-points.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { ExpiryWatch } from './expiring.ts';
import type { OpenedStore } from './store.ts';

/** What each shape is put together from. */
export interface ShapePorts {
  readonly config: Config;
  readonly logs: Logs;
  readonly telemetry: Telemetry;
  readonly opened: OpenedStore;
  /** What RETENTION_FILE says, where it is set. */
  readonly policy: RetentionPolicy | undefined;
  /** What this node's clients pulled, where a rule asks for it. */
  readonly pulls: { readonly flush: () => Promise<void> } | undefined;
  /** What retention announces, where a rule deletes tags. */
  readonly expiring: Pick<ExpiryWatch, 'reload'> | undefined;
  /** Whether the store may be written to. */
  readonly writes: WriteSwitch;
  readonly newId: () => Incarnation;
  readonly reach: ReachStep;
  /** Name of this process in the log. */
  readonly node: string;
}

/** Views, sessions and background work: where the shapes differ. */
export interface Shape {
  readonly projection: Projection;
  readonly sessions: SessionStore;
  readonly jobs: JobQueue;
  /** For the gauges. */
  readonly viewBytes: () => number;
  readonly viewRepositories: () => number;
  readonly close: () => Promise<void>;
}
