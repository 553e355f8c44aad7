import { RegistryError, Unanswered } from '../oci/errors.ts';
import { renderError } from './errors.ts';
import type { ServerPorts } from './server-ports.ts';

/** The parts of a request that an error's response and log line depend on. */
export interface FailedRequest {
  readonly requestId: string;
  readonly method: string;
  /** Of a response with 401, for its WWW-Authenticate. */
  readonly challenge?: string | undefined;
  /** Path and query as sent. */
  readonly target: string;
}

/** Renders an error for the client, and logs the details that only the operator may see. */
export function failed(
  error: unknown,
  { logger, telemetry }: Pick<ServerPorts, 'logger' | 'telemetry'>,
  { requestId, method, challenge, target }: FailedRequest,
): Response {
  const response = renderError(error, method === 'HEAD', challenge, target);
  if (response.status >= 500) {
    telemetry.requestFailed(failureOf(error));
    // The operator paused writes on purpose, so this is not logged as a failure.
    if (error instanceof RegistryError && error.kind === 'writes-paused') return response;
    logger.error({ requestId, method, err: error }, 'a request failed');
  }
  return response;
}

/** A label for the metrics. */
function failureOf(error: unknown): string {
  if (error instanceof Unanswered) return 'unanswered';
  return error instanceof RegistryError ? error.kind : 'unexpected';
}
