import type { PeriodicKind } from './job.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export type Schedules = Readonly<Record<PeriodicKind, number>>;

/** Intervals of periodic jobs, in milliseconds. */
export const SCHEDULES: Schedules = {
  'expire-uploads': 10 * MINUTE,
  'reap-multiparts': 6 * HOUR,
  // A missed snapshot only makes folding slower, which is not worth two requests per repository every few minutes.
  'sweep-snapshots': 6 * HOUR,
  // After a crash the start of a process looks, too.
  'sweep-notes': HOUR,
  // The default of GC_INTERVAL.
  collect: HOUR,
  // The default of RETENTION_INTERVAL.
  retain: HOUR,
};
