import type { Random } from './random.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

/** How the nodes of a run are wired and configured. */
export interface Setting {
  readonly views: 'redis' | 'memory';
  /** `objects`: without an S3 client, which is most of the cost of a request. */
  readonly store: 's3' | 'objects';
  /** GC_GRACE and UPLOAD_EXPIRY in milliseconds. */
  readonly grace: number;
  readonly uploadExpiry: number;
  /** The largest difference of two clocks, in milliseconds. */
  readonly skew: number;
  /** How far the clock of a process is ahead, in milliseconds. @param number of the process, starting at 1 */
  readonly clock: (random: Random, number: number) => number;
}

/** Without collections, and with exact clocks. */
export const CLUSTER: Setting = {
  views: 'redis',
  store: 's3',
  grace: 24 * HOUR_MS,
  uploadExpiry: 24 * HOUR_MS,
  skew: 400,
  clock: (random) => random.between(-200, 200),
};
