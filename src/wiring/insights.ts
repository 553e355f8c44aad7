import type { HandlerPorts } from '../http/context.ts';
import { LazyInspection } from '../inspection/lazy-inspection.ts';
import type { Incarnation } from '../oci/names.ts';
import { RepositoryPins } from '../pins/repository-pins.ts';
import type { Registry } from '../registry/interface.ts';
import type { WriteSwitch } from '../registry/write-switch.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import type { Logger } from '../telemetry/log.ts';
import type { ExpiryWatch } from './expiring.ts';
import type { Shape } from './node-ports.ts';
import type { OverviewPorts, OverviewWiring } from './overview.ts';
import type { Past } from './past.ts';
import { explainRetention, openOutlook, rememberPulls } from './retention.ts';
import type { OpenedStore } from './store.ts';

/** Bytes of memory for what /api/v1 and the page remember of configs, signatures and bills of materials, in each thread. */
const INSPECTION_MEMORY = 16 * 1024 * 1024;

export interface InsightWiring extends Omit<OverviewPorts, 'expiring' | 'pulls' | 'counted'> {
  readonly opened: OpenedStore;
  readonly logger: Logger;
  readonly newId: () => Incarnation;
  readonly registry: Registry;
  readonly past: Past;
  readonly overview: Pick<OverviewWiring, 'open'>;
  readonly policy: RetentionPolicy | undefined;
  readonly expiring: Pick<ExpiryWatch, 'announced'> | undefined;
  readonly writes: WriteSwitch;
  readonly shape: Pick<Shape, 'counted' | 'enqueue'>;
}

/** What /api/v1 and the page tell people beyond what clients of the registry ask for. */
export function openInsights(
  wiring: InsightWiring,
): Pick<HandlerPorts, 'history' | 'overview' | 'retention' | 'pins' | 'inspection'> {
  const { opened, logger, newId, access, registry, past, overview, policy, expiring, writes, shape } = wiring;
  const { history, names, stateOf } = past;
  const pulls = rememberPulls(policy, opened);
  const lookAhead = () => shape.enqueue({ kind: 'retain', dryRun: true });
  return {
    history,
    overview: overview.open({
      ...wiring,
      counted: shape.counted,
      expiring: () => expiring?.announced() ?? [],
      pulls: policy?.pullWindow === undefined ? undefined : pulls,
    }),
    retention: explainRetention(policy, {
      access,
      stateOf,
      pulls,
      outlook: openOutlook({ policy, opened, logger, lookAhead }),
    }),
    pins: new RepositoryPins({
      driver: opened.driver,
      access,
      stateOf,
      newId,
      now: Date.now,
      writesRefused: () => writes.refused,
    }),
    inspection: new LazyInspection(async () => {
      const { Inspector } = await import('../inspection/inspector.ts');
      return new Inspector({ registry, history, names, memory: INSPECTION_MEMORY, now: () => performance.now() });
    }),
  };
}
