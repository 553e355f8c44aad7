import type { Config } from '../config.ts';
import { Senders } from '../sending/senders.ts';
import type { Logs } from '../telemetry/log.ts';

/** Bun's own timeout for a client that reads nothing is the same. */
export const IDLE_MS = 60_000;

export function hasSenders({ sendThreads }: Config): boolean {
  return sendThreads > 0 && process.platform === 'linux';
}

/**
 * Opens the threads that send large files.
 * @returns undefined if they are turned off, or the system is not Linux: finding the socket of a connection is implemented for Linux only
 */
export function openSenders(config: Config, { logger }: Logs): Senders | undefined {
  if (!hasSenders(config)) return undefined;
  return new Senders({
    threads: config.sendThreads,
    idle: IDLE_MS,
    failed: (error) => logger.warn({ err: error }, 'a large blob could not be handed to a sending thread'),
  });
}
