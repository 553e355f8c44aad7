import type { PeriodicKind } from './job.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export type Schedules = Readonly<Record<PeriodicKind, number>>;

/** How often what runs by the clock runs, in milliseconds. */
export const SCHEDULES: Schedules = {
  'expire-uploads': 10 * MINUTE,
  'reap-multiparts': 6 * HOUR,
  // A log whose snapshot was missed is only slower to fold: it is not worth two requests a repository every few minutes.
  'sweep-snapshots': 6 * HOUR,
  // By default; GC_INTERVAL says how often.
  collect: HOUR,
  // By default; RETENTION_INTERVAL says how often.
  retain: HOUR,
};
