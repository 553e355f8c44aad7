import { decodeTime } from 'ulid';
import type { BackupName } from './place.ts';

/** How many backups to keep: the last ones, and the last one of each of the last days, weeks and months that have any. Times are UTC. */
export interface KeepRules {
  readonly last: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
}

const DAY_MS = 24 * 60 * 60_000;
/** 1970-01-01 was a Thursday, and weeks begin on Mondays. */
const MONDAY_OFFSET_DAYS = 3;

/** What a day, week or month of a time is called, for comparison only. @param time milliseconds */
const PERIODS: Readonly<Record<Exclude<keyof KeepRules, 'last'>, (time: number) => number | string>> = {
  daily: (time) => Math.floor(time / DAY_MS),
  weekly: (time) => Math.floor((Math.floor(time / DAY_MS) + MONDAY_OFFSET_DAYS) / 7),
  monthly: (time) => new Date(time).toISOString().slice(0, 7),
};

/** Those that a rule keeps. @param backups oldest first */
export function keptOf(backups: readonly BackupName[], rules: KeepRules): BackupName[] {
  const newestFirst = [...backups].reverse();
  const kept = new Set(newestFirst.slice(0, rules.last));
  for (const period of ['daily', 'weekly', 'monthly'] as const) {
    const seen = new Set<number | string>();
    for (const backup of newestFirst) {
      if (seen.size >= rules[period]) break;
      const name = PERIODS[period](decodeTime(backup.id));
      if (seen.has(name)) continue;
      seen.add(name);
      kept.add(backup);
    }
  }
  return backups.filter((backup) => kept.has(backup));
}
