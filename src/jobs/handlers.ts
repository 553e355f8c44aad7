import type { RepositoryName } from '../oci/names.ts';
import type { SessionStore } from '../registry/sessions.ts';
import type { ObjectStore } from '../storage/driver.ts';
import type { JobOf, Kind } from './job.ts';
import type { JobQueue, ReportProgress, RunJob } from './queue.ts';
import { type FoldedLog, writeSnapshot } from './snapshot.ts';
import { sweepSnapshots } from './sweep-snapshots.ts';

/** What the handlers stand on, whichever runner calls them. */
export interface JobPorts {
  readonly driver: ObjectStore;
  readonly sessions: SessionStore;
  /** The repository as it is now: from memory where it is kept there, else folded from storage. */
  readonly fold: (repo: RepositoryName) => Promise<FoldedLog>;
  /** Aborts the store's multipart uploads that began before that time (milliseconds); undefined where there are none. */
  readonly reapMultiparts: ((before: number, signal: AbortSignal) => Promise<unknown>) | undefined;
  /** Milliseconds. */
  readonly now: () => number;
  /** UPLOAD_EXPIRY in milliseconds. */
  readonly uploadExpiry: number;
  /** Collects garbage; `request` names the wish of an operator. */
  readonly collect: (request: string | undefined, signal: AbortSignal, tell: ReportProgress) => Promise<void>;
  /** Deletes what the retention file no longer keeps; `request` names the wish of an operator. */
  readonly retain: (request: string | undefined, signal: AbortSignal, tell: ReportProgress) => Promise<void>;
  /** For jobs that find work for others. */
  readonly enqueue: JobQueue['enqueue'];
}

type Handler<K extends Kind> = (
  job: JobOf<K>,
  ports: JobPorts,
  signal: AbortSignal,
  tell: ReportProgress,
) => Promise<void>;

const HANDLERS: { readonly [K in Kind]: Handler<K> } = {
  snapshot: async ({ repo }, { driver, fold }, signal) => {
    const folded = await fold(repo);
    signal.throwIfAborted();
    await writeSnapshot(driver, repo, folded);
  },
  'sweep-snapshots': (_, { driver, enqueue }, signal) => sweepSnapshots(driver, enqueue, signal),
  // "Sessions end at UPLOAD_EXPIRY of age, in use or not": their bytes go with them.
  'expire-uploads': async (_, { sessions, now, uploadExpiry }, signal) => {
    await sessions.expire(now() - uploadExpiry, signal);
    signal.throwIfAborted();
  },
  // Twice the age at which a session ends: whoever still writes to one then began long before its end.
  'reap-multiparts': async (_, { reapMultiparts, now, uploadExpiry }, signal) => {
    await reapMultiparts?.(now() - 2 * uploadExpiry, signal);
    signal.throwIfAborted();
  },
  collect: ({ request }, { collect }, signal, tell) => collect(request, signal, tell),
  retain: ({ request }, { retain }, signal, tell) => retain(request, signal, tell),
};

/** What a runner is given: each job with its handler. */
export function handleWith(ports: JobPorts): RunJob {
  return (job, signal, tell = () => {}) => {
    // The table's type gives each handler the jobs of its own kind; that this one belongs to this job TypeScript cannot see.
    const handler = HANDLERS[job.kind] as Handler<Kind>;
    return handler(job, ports, signal, tell);
  };
}
