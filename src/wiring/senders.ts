import type { Config } from '../config.ts';
import { Senders } from '../sending/senders.ts';
import type { Logs } from '../telemetry/log.ts';

/** As long as Bun waits for a client that takes nothing. */
const IDLE_MS = 60_000;

/**
 * Threads that send big files.
 * @returns undefined where there shall be none, and on systems that are asked in another way whose connection is whose
 */
export function openSenders({ sendThreads }: Config, { logger }: Logs): Senders | undefined {
  if (sendThreads === 0 || process.platform !== 'linux') return undefined;
  return new Senders({
    threads: sendThreads,
    idle: IDLE_MS,
    failed: (error) => logger.warn({ err: error }, 'a big blob is not sent by a thread of its own'),
  });
}
