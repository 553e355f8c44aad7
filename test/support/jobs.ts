import { setTimeout as delay } from 'node:timers/promises';

/** The clock's sleep, ended early by the signal. */
export async function sleepUntil(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
