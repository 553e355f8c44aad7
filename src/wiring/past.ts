import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AccessPolicy } from '../access/access.ts';
import { createPacer } from '../collection/pace.ts';
import type { Config } from '../config.ts';
import type { RepositoryState } from '../journal/fold.ts';
import type { RepositoryName } from '../oci/names.ts';
import { HistoryService } from '../past/history-service.ts';
import type { History } from '../past/interface.ts';
import { MarkedNames } from '../past/past-catalog.ts';
import { PastNames } from '../past/past-names.ts';
import { PastProjection } from '../past/past-projection.ts';
import { PastRegistry } from '../past/past-registry.ts';
import { PastStates } from '../past/past-states.ts';
import type { SlotsShown } from '../projection/projection.ts';
import type { Reference, Registry } from '../registry/interface.ts';
import type { RegistryPorts } from '../registry/ports.ts';
import { StoreRegistry } from '../registry/store-registry.ts';
import { AnswerDeadline } from '../rules/answer-deadline.ts';
import { HistoryAccess } from '../rules/history-access.ts';
import { WithPast } from '../rules/with-past.ts';
import type { StoreReader } from '../storage/driver.ts';

/** Milliseconds for which a look at the past may hold the thread before other requests have their turn. */
const BUSY_MS = 2;
/** Of commands, which show what is stored and are no node. */
const NO_VIEWS: SlotsShown = { shown: async () => {} };

type OnPull = (repo: RepositoryName, reference: Reference) => void;

export interface Past {
  readonly history: History;
  readonly names: PastNames;
  /** Shared with other requests, so it must not be modified. */
  readonly stateOf: (repo: RepositoryName) => Promise<RepositoryState>;
  /** Adds the past to the registry of today. */
  readonly addTo: (registry: Registry) => Registry;
  /** Pulls from the past do not count as pulls of today's tags. */
  readonly withoutPast: (onPull: OnPull | undefined) => OnPull | undefined;
  /** Estimated bytes of memory of the states that are remembered. */
  readonly bytes: () => number;
}

/** @param ports those of the registry of today */
export function openPast(config: Config, ports: RegistryPorts, views: SlotsShown, access: AccessPolicy): Past {
  const names = new PastNames(config.pastPrefix);
  const { driver, positions, now } = ports;
  const states = openStates(driver, config.pastMemory, views);
  const content = new StoreRegistry({ ...ports, projection: new PastProjection(names, states) });
  const past = new PastRegistry({
    names,
    states,
    driver,
    access,
    positions,
    now,
    marked: new MarkedNames({
      reader: driver,
      now,
      today: (after, limit) => ports.projection.repositories(after, limit),
    }),
    content: new AnswerDeadline(content),
  });
  return {
    history: new HistoryAccess(openHistory(driver, states, views), access),
    names,
    stateOf: async (repo) => (await states.at(repo, undefined)).state,
    addTo: (registry) => new WithPast(registry, past, names),
    withoutPast: (onPull) =>
      onPull && ((repo, reference) => names.parse(repo) === undefined && onPull(repo, reference)),
    bytes: () => states.weight,
  };
}

/** The states of repositories as they were. @param memory bytes */
export function openStates(driver: StoreReader, memory: number, views = NO_VIEWS): PastStates {
  return new PastStates({ driver, views, now: Date.now, yieldToRequests: pacer(), memory });
}

export function openHistory(driver: StoreReader, states: PastStates, views = NO_VIEWS): HistoryService {
  return new HistoryService({ driver, states, views, now: Date.now, yieldToRequests: pacer() });
}

function pacer(): () => Promise<void> {
  return createPacer({ now: () => performance.now(), rest: nextTurn, busy: BUSY_MS });
}
