import type { BasicAuthenticator } from '../access/authenticator.ts';
import type { Judge } from '../access/credential-judge.ts';
import type { RobotChange } from '../access/robots/decide.ts';
import { Freshness, POLL_INTERVAL_MS } from '../access/robots/freshness.ts';
import { RobotsHead } from '../access/robots/head.ts';
import { RobotsLog, type RobotsLogPorts } from '../access/robots/log.ts';
import type { RobotName } from '../access/robots/robot.ts';
import { RobotLogins } from '../access/robots/robot-logins.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { OPERATOR } from '../control/protocol.ts';
import type { StoreReader } from '../storage/driver.ts';
import { readIdentity, StoreRefused } from '../storage/prepare.ts';
import type { Logger, Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { ALONE, type Thread } from '../threads/thread.ts';
import { operatorLabel, repeat, sleep } from './basics.ts';
import { requireWritableStore } from './read-only.ts';
import { type OpenedStore, openStore } from './store.ts';
import { requireStoreOwner } from './store-owner.ts';
import { silent } from './writable.ts';

export function openRobotsLog(
  ports: Pick<RobotsLogPorts, 'driver' | 'newId' | 'reach' | 'node'> & { readonly logs: Logs },
  thread: Thread,
): RobotsLog {
  const snapshotFailed = (error: unknown): void =>
    ports.logs.logger.warn({ err: error }, 'a snapshot of the robots could not be stored; it is tried again');
  const head = thread.kind === 'alone' ? undefined : new RobotsHead(thread.memory.robots);
  return new RobotsLog({ ...ports, now: Date.now, sleep, snapshotFailed, head });
}

export interface OpenRobotLogins {
  readonly authenticator: BasicAuthenticator;
  /** A text that changes with the robot's secret; undefined if the robot cannot log in. */
  readonly versionOf: (name: string) => string | undefined;
  readonly tokenLifetime: (name: string, max: number) => number;
  /** As in GatePorts. */
  readonly catchUp: () => Promise<void> | undefined;
  readonly close: () => void;
}

interface Ports {
  readonly robots: RobotsLog;
  readonly opened: Pick<OpenedStore, 'driver' | 'place'>;
  readonly judge: Judge;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** Authenticates robots. Their log is polled, because other processes may change them. */
export async function openRobotLogins({
  robots: { view },
  opened,
  judge,
  logger,
  telemetry,
}: Ports): Promise<OpenRobotLogins> {
  const freshness = new Freshness({
    poll: (signal) => view.refresh(signal),
    now: () => performance.now(),
    onStale: (error) =>
      logger.error(
        { err: error },
        'the robots cannot be read: after 10 s none can log in, and after 5 minutes their tokens are not accepted',
      ),
    onFresh: () => logger.info('the robots can be read again'),
  });
  const identity = await readIdentity(opened.driver);
  if (identity === undefined) throw new StoreRefused(`${opened.place} has lost its object \`format\``);
  const age = (): number => freshness.age;
  const observe = telemetry.robots.observe({ count: () => view.robots.size, age: () => age() / 1000 });
  const logins = new RobotLogins({
    robots: () => view.robots,
    age,
    secrets: identity.secrets,
    judge,
    now: Date.now,
    observe,
  });
  await freshness.poll();
  return {
    authenticator: logins,
    versionOf: (name) => logins.versionOf(name),
    tokenLifetime: (name, max) => logins.tokenLifetime(name, max),
    // During an outage nothing can be read; then the age decides.
    catchUp: () => (view.isBehind && !freshness.isStale ? freshness.catchUp(() => view.isBehind) : undefined),
    close: repeat(POLL_INTERVAL_MS, () => freshness.poll()),
  };
}

/**
 * Changes a robot for an operator's command: through the server that holds the data folder, or directly in the store if there is none.
 * @param reader of the same store
 * @returns milliseconds until all nodes know the change
 * @throws RegistryError as `RobotsLog.change`, and `read-only`, `writes-paused`; StoreRefused in one line
 */
export async function changeRobot(
  config: Config,
  { reader, place }: { readonly reader: StoreReader; readonly place: string },
  name: RobotName,
  change: RobotChange,
): Promise<number> {
  await requireWritableStore(config, reader);
  requireStoreOwner(config);
  const isShared = config.redisUrl !== undefined || config.storageDriver !== 'filesystem';
  const server = isShared ? undefined : await ControlClient.connect(place);
  if (server !== undefined) {
    await server.changeRobot(name, change);
    return 0;
  }
  const base = silent();
  const opened = await openStore(config, isShared, base);
  try {
    const actor = operatorLabel();
    await openRobotsLog({ ...base, driver: opened.driver, node: OPERATOR }, ALONE).change(name, change, actor);
  } finally {
    await opened.close();
  }
  return isShared ? KNOWN_WITHIN_MS : 0;
}

/** A poll, and the interval between two polls. */
const KNOWN_WITHIN_MS = 5_000;
