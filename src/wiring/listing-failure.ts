import type { Logs } from '../telemetry/log.ts';

/** Logs that the markers of all repositories could not be listed in the background, where no request would report it. */
export function logListingFailure({ logger }: Logs, error: unknown): void {
  logger.warn(
    { err: error },
    'the repositories could not be listed: it is tried again, and until then requests for unknown names are slower',
  );
}
