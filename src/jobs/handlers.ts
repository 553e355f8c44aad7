import type { RepositoryName } from '../oci/names.ts';
import type { SessionStore } from '../registry/sessions.ts';
import type { ObjectStore } from '../storage/driver.ts';
import type { JobOf, Kind } from './job.ts';
import type { JobQueue, ReportProgress, RunJob } from './queue.ts';
import { type FoldedLog, writeSnapshot } from './snapshot.ts';
import { sweepSnapshots } from './sweep-snapshots.ts';

/** The ports of the handlers, whichever runner calls them. */
export interface JobPorts {
  readonly driver: ObjectStore;
  readonly sessions: SessionStore;
  /** The repository's current state: from memory if it is resident, else folded from storage. */
  readonly fold: (repo: RepositoryName) => Promise<FoldedLog>;
  /** Aborts multipart uploads that began before the given time (milliseconds); undefined for stores without multipart uploads. */
  readonly reapMultiparts: ((before: number, signal: AbortSignal) => Promise<unknown>) | undefined;
  /** Milliseconds. */
  readonly now: () => number;
  /** UPLOAD_EXPIRY in milliseconds. */
  readonly uploadExpiry: number;
  /** Collects garbage. `request` is the id of an operator's request. */
  readonly collect: (request: string | undefined, signal: AbortSignal, report: ReportProgress) => Promise<void>;
  /** Deletes what the retention file no longer keeps. `request` is the id of an operator's request. */
  readonly retain: (request: string | undefined, signal: AbortSignal, report: ReportProgress) => Promise<void>;
  /** Finds out what retention would delete. */
  readonly lookAhead: (signal: AbortSignal) => Promise<void>;
  /** Finds slots that no note names. */
  readonly sweepNotes: (signal: AbortSignal) => Promise<void>;
  /** For jobs that enqueue other jobs. */
  readonly enqueue: JobQueue['enqueue'];
}

type Handler<K extends Kind> = (
  job: JobOf<K>,
  ports: JobPorts,
  signal: AbortSignal,
  report: ReportProgress,
) => Promise<void>;

const HANDLERS: { readonly [K in Kind]: Handler<K> } = {
  snapshot: async ({ repo }, { driver, fold }, signal) => {
    const folded = await fold(repo);
    signal.throwIfAborted();
    await writeSnapshot(driver, repo, folded);
  },
  'sweep-snapshots': (_, { driver, enqueue }, signal) => sweepSnapshots(driver, enqueue, signal),
  'sweep-notes': (_, { sweepNotes }, signal) => sweepNotes(signal),
  // Sessions end at the age UPLOAD_EXPIRY, in use or not, and their bytes are deleted.
  'expire-uploads': async (_, { sessions, now, uploadExpiry }, signal) => {
    await sessions.expire(now() - uploadExpiry, signal);
    signal.throwIfAborted();
  },
  // After twice the expiry no request can still be writing to a session that has expired.
  'reap-multiparts': async (_, { reapMultiparts, now, uploadExpiry }, signal) => {
    await reapMultiparts?.(now() - 2 * uploadExpiry, signal);
    signal.throwIfAborted();
  },
  collect: ({ request }, { collect }, signal, report) => collect(request, signal, report),
  retain: ({ request, dryRun }, { retain, lookAhead }, signal, report) =>
    dryRun === true ? lookAhead(signal) : retain(request, signal, report),
};

/** The function that runners call for each job: it dispatches to the job's handler. */
export function handleWith(ports: JobPorts): RunJob {
  return (job, signal, report = () => {}) => {
    // HANDLERS pairs each kind with its jobs; TypeScript cannot correlate the two lookups.
    const handler = HANDLERS[job.kind] as Handler<Kind>;
    return handler(job, ports, signal, report);
  };
}
