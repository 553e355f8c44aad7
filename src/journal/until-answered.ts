import { RegistryError } from '../oci/errors.ts';

const RETRY_MS = 50;

export interface RetryPorts {
  /** Milliseconds. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** The time, by `now`, at which retrying ends. */
  readonly deadline: number;
  /** Whether an error is a result of the work, which is thrown at once. A RegistryError always is. */
  readonly isResult?: (error: unknown) => boolean;
  /** Creates the error that is thrown at the deadline. */
  readonly unconfirmed: (cause: unknown) => Error;
}

/**
 * Retries work until the store answers. Work without an answer may have taken effect, so it must be idempotent, such as writing the
 * same bytes to the same slot.
 */
export async function untilAnswered<T>(
  work: () => Promise<T>,
  { now, sleep, deadline, isResult, unconfirmed }: RetryPorts,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof RegistryError || isResult?.(error) === true) throw error;
      if (now() + RETRY_MS >= deadline) throw unconfirmed(error);
      await sleep(RETRY_MS);
    }
  }
}
