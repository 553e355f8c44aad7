import { z } from 'zod';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import { BACKUP_REPORTS, backupReportKey } from '../storage/paths.ts';
import { ReportSeries } from '../storage/stored-reports.ts';

/** Reports that are kept: a year of weekly backups. */
const MAX_REPORTS = 52;
const MAX_TEXT = 4_096;
/** The latest time that a Date can have, in milliseconds. */
const MAX_TIME = 8.64e15;

const text = z.string().max(MAX_TEXT);
const time = z.number().min(0).max(MAX_TIME);
const count = z.int().nonnegative();

export const runReport = z.object({
  /** ULID of the run; if it made a backup, the id of that. */
  run: z.custom<Incarnation>((value) => typeof value === 'string' && parseIncarnation(value) !== undefined),
  /** Of the backup. */
  name: text,
  /** Where it is: a folder, or a bucket and prefix. */
  place: text,
  /** Who made it. */
  by: text,
  /** Milliseconds. */
  startedAt: time,
  finishedAt: time,
  /** What the run added to the place. */
  added: z.object({ objects: count, bytes: count, slots: count }),
  /** What it copied, or was to copy; absent if the run ended before that was known. `note` is the last one of the notes. */
  cut: z.object({ moment: time, note: count, repositories: count }).optional(),
  /** Why there is no backup; absent if there is a whole one. */
  failed: text.optional(),
});

/** The result of a run of `marina backup`, for people: the registry does not know what became of the place since. */
export type RunReport = z.infer<typeof runReport>;

export const backupRuns = new ReportSeries<RunReport>(
  { prefix: BACKUP_REPORTS, of: backupReportKey },
  runReport,
  MAX_REPORTS,
);

const MAX_REASON = 500;

/** The report of a run that made no backup. */
export function failedRun(report: Omit<RunReport, 'failed'>, error: unknown): RunReport {
  const reason = error instanceof Error ? error.message : String(error);
  return { ...report, failed: reason.replace(/\s+/g, ' ').slice(0, MAX_REASON).toWellFormed() };
}
