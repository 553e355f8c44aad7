import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** The threads of this process, on Linux. */
const THREADS = '/proc/self/task';

/**
 * Gives this process the lowest priority, for good. On Linux "the nice value is a per-thread attribute" (setpriority(2)): a call for a process
 * only reaches its first thread. A new thread gets the priority of the one that starts it, so those that are there already are told, too.
 * @throws SystemError if the system refuses it
 */
export function lowerPriority(): void {
  const { PRIORITY_LOW } = constants.priority;
  setPriority(PRIORITY_LOW);
  if (process.platform !== 'linux') return;
  const lowered = new Set<number>();
  // Until it has it, a thread may start another one, which is listed next time.
  for (let others = threads(); others.length > 0; others = threads().filter((thread) => !lowered.has(thread)))
    for (const thread of others) {
      lower(thread);
      lowered.add(thread);
    }
}

function threads(): number[] {
  return readdirSync(THREADS).map(Number);
}

function lower(thread: number): void {
  try {
    setPriority(thread, constants.priority.PRIORITY_LOW);
  } catch (error) {
    if (!hasEnded(error)) throw error;
  }
}

/** Whether the thread is gone meanwhile. */
function hasEnded(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && error.errno === -constants.errno.ESRCH;
}
