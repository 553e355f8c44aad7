import type { RobotChange } from '../access/robots/decide.ts';
import { RobotsHead } from '../access/robots/head.ts';
import { RobotsLog, type RobotsLogPorts } from '../access/robots/log.ts';
import type { RobotName } from '../access/robots/robot.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { OPERATOR } from '../control/protocol.ts';
import type { StoreReader } from '../storage/driver.ts';
import type { Logs } from '../telemetry/log.ts';
import { ALONE, type Thread } from '../threads/thread.ts';
import { operatorLabel, sleep } from './basics.ts';
import { requireWritableStore } from './read-only.ts';
import { openStore } from './store.ts';
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
