import type { Logs } from '../telemetry/log.ts';

/** Logs that a background listing of all repositories failed, which no request would report. */
export function logListingFailure({ logger }: Logs, error: unknown): void {
  logger.warn(
    { err: error },
    'the repositories could not be listed: the listing is retried, and until then requests for unknown names are slower',
  );
}
