import type { BasicAuthenticator } from '../access/authenticator.ts';
import type { Judge } from '../access/credential-judge.ts';
import { Freshness, POLL_INTERVAL_MS } from '../access/robots/freshness.ts';
import type { RobotsLog } from '../access/robots/log.ts';
import { RobotLogins } from '../access/robots/robot-logins.ts';
import { readIdentity, StoreRefused } from '../storage/prepare.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { repeat } from './basics.ts';
import type { OpenedStore } from './store.ts';

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
