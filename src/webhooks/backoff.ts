const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 10 * 60_000;

/**
 * How long to wait before the next attempt: twice as long after each failure, up to 10 minutes. Between half of it and all of it is
 * random, so that webhooks of one receiver that was away do not all come at the same time.
 * @param failures in a row, from 1
 * @param random from 0 to 1
 * @returns milliseconds
 */
export function delayAfter(failures: number, random: number): number {
  const whole = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
  return whole * (0.5 + random / 2);
}
