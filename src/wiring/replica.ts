import type { RobotsLog } from '../access/robots/log.ts';
import { RobotsView } from '../access/robots/view.ts';
import { createPacer } from '../collection/pace.ts';
import type { Config } from '../config.ts';
import { encodeNotesSnapshot } from '../feed/notes/snapshot.ts';
import { NotesView } from '../feed/notes/view.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { Replayer } from '../projection/projection.ts';
import type { Registry } from '../registry/interface.ts';
import type { ReplicaWrites } from '../registry/write-switch.ts';
import { requireFollowable, requireSameHistory } from '../replica/check-source.ts';
import { ByteCopier } from '../replica/copy-bytes.ts';
import { LogCopier } from '../replica/copy-logs.ts';
import { Follower } from '../replica/follower.ts';
import type { HttpSource } from '../replica/http-source.ts';
import type { LocalSource } from '../replica/interface.ts';
import { type Lease, runWithLease } from '../replica/lease.ts';
import { StoreSource } from '../replica/local-source.ts';
import { type ReplicaMark, readReplicaMark, writeReplicaMark } from '../replica/mark.ts';
import { MissingBytes } from '../replica/missing-bytes.ts';
import { writeMissing } from '../replica/missing-report.ts';
import { promote } from '../replica/promote.ts';
import { requireUnpromoted } from '../replica/require-unpromoted.ts';
import { roleOf } from '../replica/role.ts';
import { SourceContent } from '../replica/source-content.ts';
import { SourceAway, SourceRefused } from '../replica/source-errors.ts';
import { FromSource } from '../rules/from-source.ts';
import type { StorageDriver } from '../storage/driver.ts';
import { noteSnapshotKey } from '../storage/paths.ts';
import { StoreRefused } from '../storage/prepare.ts';
import { within } from '../system/within.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { Thread } from '../threads/thread.ts';
import { operatorLabel, repeat, sleep } from './basics.ts';
import type { ShapeNotes } from './node-ports.ts';
import { START_WITHIN_MS } from './replica-source.ts';
import { ReplicaStatus } from './replica-status.ts';
import type { OpenedStore } from './store.ts';

/** How often a store that other processes may promote is looked at. */
const WATCH_EVERY_MS = 2_000;
/** How long a follower may take to stop. */
const STOP_WITHIN_MS = 15_000;
/** Logs are folded and links looked at in pieces of two milliseconds, so that requests do not wait. */
const PACE = { busy: 2, rest: (): Promise<void> => sleep(1) };

export interface ReplicaPorts {
  readonly config: Config;
  readonly source: HttpSource | undefined;
  readonly opened: OpenedStore;
  readonly newId: () => Incarnation;
  readonly node: string;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly thread: Thread;
}

/** What the follower needs of the shape. */
export interface FollowingPorts {
  readonly replayer: Replayer;
  readonly newest: (repo: RepositoryName) => Promise<{ readonly seq: number }>;
  readonly robots: RobotsLog;
  /** Decides whether this process follows, if there are several. */
  readonly lease: Lease | undefined;
  readonly notes: Pick<ShapeNotes, 'copied'>;
}

/** This process's part in replication, as a source and as a replica. */
export interface Replication {
  /** What replicas of this store read. */
  readonly local: (newestNote: (() => number | undefined) | undefined) => LocalSource;
  /** For the write switch; undefined unless this store is a replica. */
  readonly writes: (ReplicaWrites & { readonly isReplica: () => Promise<boolean> }) | undefined;
  /** Lets clients have what was not copied yet. @param isReplica false once the store was promoted */
  readonly addSource: (registry: Registry, isReplica: () => boolean) => Registry;
  /** Begins to follow. Only one thread of a process does. */
  readonly follow: (ports: FollowingPorts) => void;
  /** Stops following for ever: the store was promoted. */
  readonly stop: () => Promise<void>;
  /** Makes this store a primary. @throws as `promote` in replica/promote.ts */
  readonly promote: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/**
 * Finds out whether this store is a replica, and of what.
 * @throws StoreRefused in one line: REPLICA_OF does not fit the store, or the source is not its source
 */
export async function openReplication(ports: ReplicaPorts): Promise<Replication> {
  const { config, source, opened, thread, logger } = ports;
  const { driver, store, secrets, instance } = opened;
  const mark = await readReplicaMark(driver);
  const role = roleOf(opened, mark, source?.url);
  const local: Replication['local'] = (newestNote = () => undefined) =>
    new StoreSource({
      driver,
      store,
      secrets,
      sleep,
      newestNote,
      now: Date.now,
      lineage: async () => {
        const now = store === instance ? undefined : await readReplicaMark(driver);
        return now === undefined || now.promoted !== undefined ? [instance] : [instance, ...now.lineage];
      },
    });
  if (role.kind === 'primary' || source === undefined) return notFollowing(local);
  if (thread.kind !== 'other') await prepare(source, mark, ports);
  const isReplica = async (): Promise<boolean> => (await readReplicaMark(driver))?.promoted === undefined;
  const isComplete = async (): Promise<boolean> => (await readReplicaMark(driver))?.complete !== undefined;
  const content = new SourceContent({ source, isComplete, now: Date.now });
  let following: Following | undefined;
  let endWatch = (): void => {};
  const stop = async (): Promise<void> => {
    endWatch();
    await following?.stop();
    following = undefined;
  };
  /** Another process may promote a store that this one has not locked. */
  const watch = async (): Promise<void> => {
    try {
      if (!(await isReplica())) await stop();
    } catch (error) {
      logger.warn({ err: error }, 'it could not be read whether this store is still a replica; it is tried again');
    }
  };
  return {
    local,
    writes: { source: source.url, redirects: config.replicaWrites === 'redirect', isReplica },
    addSource: (registry, isStillReplica) => new FromSource(registry, content, isStillReplica),
    follow: (more) => {
      if (thread.kind === 'other') return;
      following = startFollowing(source, { ...ports, ...more });
      if (!opened.isLocked) endWatch = repeat(WATCH_EVERY_MS, watch);
    },
    stop,
    promote: async () => {
      const { newId, node } = ports;
      await stop();
      await promote(operatorLabel(), { driver, identity: opened, now: Date.now, newId, sleep, node });
      logger.warn('this store was promoted: it is a primary from now on, and follows no other registry');
    },
    close: stop,
  };
}

function notFollowing(local: Replication['local']): Replication {
  const nothing = async (): Promise<void> => {};
  return {
    local,
    writes: undefined,
    addSource: (registry) => registry,
    follow: () => {},
    stop: nothing,
    promote: () =>
      Promise.reject(new RegistryError('request-invalid', 'this store is no replica: there is nothing to promote')),
    close: nothing,
  };
}

/** Checks the source, if it answers, and remembers it. */
async function prepare(source: HttpSource, mark: ReplicaMark | undefined, ports: ReplicaPorts): Promise<void> {
  const { opened, logger } = ports;
  const notes = new NotesView(opened.driver);
  await notes.refresh();
  let lineage = mark?.lineage ?? [];
  try {
    const checked = await within(START_WITHIN_MS, checkSource(source, opened, notes));
    if (checked === undefined) throw new SourceAway(`${source.url} does not answer`);
    lineage = [...checked];
  } catch (error) {
    if (error instanceof SourceRefused) throw new StoreRefused(`REPLICA_OF cannot be followed: ${error.message}`);
    if (!(error instanceof SourceAway)) throw error;
    logger.warn({ err: error }, 'the source of this replica does not answer: what was copied is served');
  }
  const since = mark?.since ?? new Date().toISOString();
  await writeReplicaMark(opened.driver, { ...mark, v: 1, source: source.url, lineage, since });
}

async function checkSource(source: HttpSource, opened: OpenedStore, notes: NotesView): Promise<readonly Incarnation[]> {
  const { lineage } = await requireFollowable(source, opened);
  await requireSameHistory(source, notes);
  return lineage;
}

interface Following {
  readonly stop: () => Promise<void>;
}

function startFollowing(source: HttpSource, ports: ReplicaPorts & FollowingPorts): Following {
  const {
    opened,
    logger,
    telemetry,
    replayer,
    newest,
    robots,
    lease,
    notes: { copied },
  } = ports;
  const { driver } = opened;
  const status = new ReplicaStatus(logger);
  const counters = telemetry.replica.observe({
    isCurrent: () => status.isCurrent,
    isConnected: () => status.isConnected,
    missing: () => status.missing,
    age: () => status.age,
  });
  const bytes = new ByteCopier({ driver, source, instance: opened.instance, now: Date.now, copied: counters.bytes });
  const yieldToRequests = createPacer({ ...PACE, now: () => performance.now() });
  const missing = new MissingBytes({ driver, bytes, yieldToRequests, now: Date.now });
  const notes = new NotesView(driver);
  const mayCreate = (): Promise<void> => requireUnpromoted(driver, notes, opened.instance);
  const logs = new LogCopier({
    driver,
    source,
    bytes,
    replayer,
    mayCreate,
    newest: async (repo) => (await newest(repo)).seq,
    isShared: !opened.isLocked,
    copied: (_, slots, events) => counters.slots(slots, events),
    missing: (repo, failed) => {
      const { digest, why } = failed;
      missing.report(repo, failed);
      counters.missing();
      logger.warn(
        { repo, digest, why },
        'the source does not have the bytes of a digest that its log links, or linked',
      );
    },
  });
  // One after another, because each replaces the whole mark.
  let kept = Promise.resolve();
  const keep = (change: MarkChange): void => {
    kept = kept.then(() => remember(driver, change, logger));
  };
  const follower = new Follower({
    driver,
    source,
    identity: opened,
    logs,
    missing,
    notes,
    mayCreate,
    robots: new RobotsView(driver),
    noted: async (reached, seq) => {
      if (notes.isSnapshotDue) await storeNotesSnapshot(notes, driver, logger);
      await copied(reached, seq);
    },
    // Other threads notice that this one has read more (RobotsHead).
    robotsChanged: () => robots.view.refresh(),
    deleting: () => bytes.forget(),
    refusedLists: counters.refusedLists,
    yieldToRequests,
    checked: (lineage) => keep({ lineage: [...lineage] }),
    became: (state) => {
      const before = status.missing;
      if (status.became(state)) keep({ complete: new Date().toISOString() });
      if (status.missing !== before) void reportMissing(driver, status.missing ?? 0, logger);
    },
    now: Date.now,
    random: Math.random,
    sleep,
  });
  const end = new AbortController();
  const run = async (signal: AbortSignal): Promise<void> => {
    source.introduce(() => ({ id: opened.instance, note: notes.seq, name: ports.node }));
    try {
      await follower.run(signal);
    } finally {
      source.introduce(undefined);
    }
  };
  const failed = (error: unknown): void =>
    logger.warn({ err: error }, 'Redis does not say which process copies from the source; it is tried again');
  const running = lease === undefined ? run(end.signal) : runWithLease({ lease, run, sleep, failed }, end.signal);
  return {
    stop: async () => {
      end.abort();
      await within(
        STOP_WITHIN_MS,
        running.then(() => kept),
      );
    },
  };
}

async function storeNotesSnapshot(notes: NotesView, driver: StorageDriver, logger: Logger): Promise<void> {
  try {
    const bytes = await encodeNotesSnapshot(notes);
    await driver.create(noteSnapshotKey(notes.seq), bytes);
    notes.snapshotStored(bytes.length);
  } catch (error) {
    logger.warn({ err: error }, 'a snapshot of the notes could not be stored; it is tried again');
  }
}

async function reportMissing(driver: StorageDriver, objects: number, logger: Logger): Promise<void> {
  try {
    await writeMissing(driver, objects);
  } catch (error) {
    logger.warn({ err: error }, 'the number of missing objects could not be stored');
  }
}

type MarkChange = Partial<Pick<ReplicaMark, 'lineage' | 'complete'>>;

/** Changes the mark, unless the store was promoted or the change is already there. */
async function remember(driver: StorageDriver, change: MarkChange, logger: Logger): Promise<void> {
  try {
    const mark = await readReplicaMark(driver);
    if (mark === undefined || mark.promoted !== undefined) return;
    const next = { ...mark, ...change, ...(mark.complete === undefined ? {} : { complete: mark.complete }) };
    if (JSON.stringify(next) !== JSON.stringify(mark)) await writeReplicaMark(driver, next);
  } catch (error) {
    logger.warn({ err: error }, 'the state of this replica could not be stored');
  }
}
