import { isSnapshotDue } from '../journal/snapshot-due.ts';
import type { OwnerDesk } from '../operations/interface.ts';
import type { Presence } from '../operations/roster/presence.ts';
import { MemoryProjection } from '../projection/memory.ts';
import { Heads } from '../projection/threads/heads.ts';
import type { Sharing } from '../quotas/usage-counter.ts';
import { FileSessions } from '../registry/file-sessions.ts';
import { LogSessions } from '../registry/log-sessions.ts';
import { SessionIds } from '../registry/session-ids.ts';
import { OwnMarks } from '../registry/session-marks.ts';
import type { RequestSessions, SessionStore } from '../registry/sessions.ts';
import { SharedMarks } from '../sessions/shared-marks.ts';
import { SESSION_CALLS, type SessionCalls, SessionService, ThreadSessions } from '../sessions/thread-sessions.ts';
import { offer, remote } from '../threads/calls.ts';
import { ALONE } from '../threads/thread.ts';
import { repeat, sleep } from './basics.ts';
import { openEmbeddedNotes } from './feed.ts';
import { type Jobs, jobsOfOwner } from './jobs.ts';
import { logListingFailure } from './listing-failure.ts';
import type { Shape, ShapeNotes, ShapePorts } from './node-ports.ts';
import { deskOfOwner } from './operations.ts';

/** Another process works on a bucket only during a rolling deployment, and what it writes is noticed when a repository is used. */
const COUNT_BUCKET_EVERY_MS = 10 * 60_000;
/** Every slot is counted when it is written. Only while threads read a changed ACCESS_FILE one after another, something may be missed. */
const COUNT_THREADS_EVERY_MS = 60_000;

/** Wires the embedded shape: one process, with the views in memory, that also runs the jobs. */
export async function wireEmbedded(ports: ShapePorts): Promise<Shape> {
  const { config, logs, telemetry, opened, newId, reach, node, folderThread } = ports;
  const { driver } = opened;
  const notes = await openEmbeddedNotes(ports);
  const projection: MemoryProjection = new MemoryProjection({
    driver,
    newId,
    sleep,
    reach,
    node,
    now: Date.now,
    onAppend: (events, repo, seq) => {
      telemetry.appended(events);
      notes.hint(repo, seq);
    },
    onFound: notes.hint,
    budget: config.viewMemory,
    // A bucket cannot be locked. During a rolling deployment two nodes write to it, so views must look for slots of other processes.
    probe: !opened.isLocked,
    heads: folderThread.kind === 'alone' ? undefined : new Heads(folderThread.memory.heads),
    onGrowth: (repo, tail) => {
      if (!isSnapshotDue(tail)) return;
      void jobs.enqueue({ kind: 'snapshot', repo });
      // The owner writes it from its own view, so this one would not learn of it.
      if (ports.thread.kind === 'other') [tail.slots, tail.bytes] = [0, 0];
    },
    onUsage: ports.usage.used,
    onListingFailed: (error) => logListingFailure(logs, error),
  });
  const { sessions, jobs, operations, presence } = await openParts(ports, projection, notes);
  return {
    projection,
    replayer: projection,
    lease: undefined,
    sessions,
    counted: { store: projection, sharing: sharingOf(ports) },
    notes,
    operations,
    enqueue: (job) => jobs.enqueue(job),
    presence,
    askRedis: undefined,
    viewBytes: () => projection.weight,
    viewRepositories: () => projection.size,
    close: async () => {
      await jobs.close();
      await notes.close();
    },
  };
}

interface Parts {
  readonly sessions: RequestSessions;
  readonly jobs: Jobs;
  readonly operations: OwnerDesk;
  readonly presence: Presence | undefined;
}

/** What the owner has once for all threads, and the others call. Only the owner loads the code of the jobs. */
async function openParts(ports: ShapePorts, projection: MemoryProjection, notes: ShapeNotes): Promise<Parts> {
  const { thread, opened, folderThread } = ports;
  if (thread.kind === 'other') {
    const common = { jobs: jobsOfOwner(thread), operations: deskOfOwner(thread), presence: undefined };
    if (folderThread.kind === 'other') return { sessions: openSessions(ports), ...common };
    const owner = remote<SessionCalls>(thread.services.sessions, SESSION_CALLS);
    const sessions = new ThreadSessions({ owner, ids: new SessionIds(opened.store), now: Date.now });
    return { sessions, ...common };
  }
  const sessions = openSessions(ports);
  const others = thread.kind === 'owner' && folderThread.kind === 'alone' ? thread.others : [];
  for (const { services } of others) offer<SessionCalls>(services.sessions, new SessionService(sessions));
  const { openBackground } = await import('./embedded-background.ts');
  return { sessions, ...(await openBackground({ ...ports, projection, sessions, notes })) };
}

/** Who else writes to the store, as far as quotas are concerned. */
function sharingOf({ opened, thread }: ShapePorts): Sharing {
  if (thread.kind !== 'alone') return { kind: 'sometimes', everyMs: COUNT_THREADS_EVERY_MS };
  return opened.isLocked ? { kind: 'alone' } : { kind: 'sometimes', everyMs: COUNT_BUCKET_EVERY_MS };
}

/** Opens the upload sessions of the embedded shape, also for a command that changes the store without a server. */
export function openSessions({
  config,
  logs,
  opened,
  newId,
  folderThread = ALONE,
}: Pick<ShapePorts, 'config' | 'logs' | 'opened' | 'newId'> & Partial<Pick<ShapePorts, 'folderThread'>>): SessionStore {
  const { driver, store, isLocked } = opened;
  const common = { driver, ids: new SessionIds(store), now: Date.now, expiry: config.uploadExpiry };
  if (isLocked) {
    const marks = folderThread.kind === 'alone' ? new OwnMarks() : new SharedMarks(folderThread.memory.sessions);
    return new FileSessions({ ...common, marks });
  }
  return new LogSessions({
    ...common,
    newToken: newId,
    repeat,
    failed: (error) => logs.logger.warn({ err: error }, 'the lease of an upload could not be renewed or released'),
  });
}
