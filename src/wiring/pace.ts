import { setImmediate as nextTurn } from 'node:timers/promises';
import { type BackupPace, type BackupPacePorts, paceBeside } from '../backup/pace.ts';
import { memoryTrimmer } from '../collection/memory.ts';
import { createPacer } from '../collection/pace.ts';
import { keepToOneProcessor } from '../system/give-way.ts';
import { sleep } from './basics.ts';

/** Times in milliseconds for background work in a process that serves requests: how long it may run, and how long it then rests. */
const BESIDE_REQUESTS = { busy: 0.3, minRest: 1, maxRest: 80, restPerRequest: 0.1 };
/**
 * Up to this many requests per millisecond, background work yields to the event loop instead of sleeping. At that load a request waits for
 * at most one piece of work, and sleeping would not make its wait shorter.
 */
const MAX_LIGHT_LOAD = 2;
/** Milliseconds over which the request rate is averaged. */
const RATE_WINDOW = 10;
/** How long background work may run, in milliseconds, in a process that serves no requests. */
const ALONE = { busy: 50 };

const now = (): number => performance.now();

function createTrimmer(): () => void {
  return memoryTrimmer({ resident: () => process.memoryUsage.rss(), collect: () => Bun.gc(true) });
}

/** The number of requests that this process has received since its start. */
export type CountRequests = () => number;

/**
 * Creates the pause that background work awaits between small pieces of work. Requests that arrive during a piece must wait for it. So
 * the more requests there are, the longer the pauses, which keeps the share of requests that wait small.
 * @param requests undefined if the process serves no requests
 */
export function paceFor(requests: CountRequests | undefined): () => Promise<void> {
  if (requests === undefined) {
    const trimMemory = createTrimmer();
    const rest = (): Promise<void> => {
      trimMemory();
      return nextTurn();
    };
    return createPacer({ now, rest, busy: ALONE.busy });
  }
  const { busy, minRest, maxRest, restPerRequest } = BESIDE_REQUESTS;
  let [counted, countedAt] = [requests(), now()];
  let perMillisecond = 0;
  const rest = (): Promise<void> => {
    const received = requests() - counted;
    const passed = Math.max(0.001, now() - countedAt);
    counted += received;
    countedAt += passed;
    perMillisecond += (received / passed - perMillisecond) * Math.min(1, passed / RATE_WINDOW);
    if (perMillisecond <= MAX_LIGHT_LOAD) return nextTurn();
    return sleep(Math.min(maxRest, minRest + received * restPerRequest));
  };
  return createPacer({ now, rest, busy });
}

/** Creates the pause of the command that makes a backup. @param requests those of clients of the server that has the store */
export function paceForBackup(requests: BackupPacePorts['requests']): BackupPace {
  const trimMemory = createTrimmer();
  const afterWork = (): Promise<void> => {
    trimMemory();
    return nextTurn();
  };
  const processorTime = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  return paceBeside({ now, processorTime, sleep, requests, afterWork, onUsed: keepToOneProcessor });
}
