import type { Config } from '../config.ts';
import { Senders } from '../sending/senders.ts';
import type { Logs } from '../telemetry/log.ts';

/** Bun's own timeout for a client that reads nothing is the same. */
const IDLE_MS = 60_000;

/**
 * Opens the threads that send large files.
 * @returns undefined if they are turned off, or the system is not Linux: finding the socket of a connection is implemented for Linux only
 */
export function openSenders({ sendThreads }: Config, { logger }: Logs): Senders | undefined {
  if (sendThreads === 0 || process.platform !== 'linux') return undefined;
  return new Senders({
    threads: sendThreads,
    idle: IDLE_MS,
    failed: (error) => logger.warn({ err: error }, 'a large blob could not be handed to a sending thread'),
  });
}
