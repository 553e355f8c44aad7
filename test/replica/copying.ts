// A replica in memory that follows a primary in memory, until it has everything or its store ends at some operation.
import { RobotsView } from '../../src/access/robots/view.ts';
import { NotesLog } from '../../src/feed/notes/log.ts';
import { NotesView } from '../../src/feed/notes/view.ts';
import type { Incarnation, RepositoryName } from '../../src/oci/names.ts';
import type { MemoryProjection } from '../../src/projection/memory.ts';
import type { Replayer } from '../../src/projection/projection.ts';
import { ByteCopier } from '../../src/replica/copy-bytes.ts';
import { LogCopier, type LogCopierPorts } from '../../src/replica/copy-logs.ts';
import { Follower, type FollowerPorts } from '../../src/replica/follower.ts';
import type { SourceBytes } from '../../src/replica/http-source.ts';
import type { ReplicaIdentity } from '../../src/replica/identity.ts';
import type { ReplicationSource } from '../../src/replica/interface.ts';
import { StoreSource } from '../../src/replica/local-source.ts';
import { MissingBytes } from '../../src/replica/missing-bytes.ts';
import { requireUnpromoted } from '../../src/replica/require-unpromoted.ts';
import type { CreateResult, DeleteFailure, Key, StorageDriver, WrittenObject } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { countingIncarnations, TestClock } from '../support/deterministic.ts';
import { openProjection } from '../support/projections.ts';

export const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
export const INSTANCE = '01BX5ZZKBKACTAV9WEVGEMMVRZ' as Incarnation;

/** The process ended. */
class Ended extends Error {
  override readonly name = 'Ended';
}

/** A store that ends at one of its operations: before it, or after it without an answer. */
export class EndingDriver extends MemoryDriver {
  operations = 0;
  readonly #endAt: number;
  readonly #when: 'before' | 'after';

  constructor(objects: Map<Key, Uint8Array>, endAt = Number.POSITIVE_INFINITY, when: 'before' | 'after' = 'before') {
    super(objects);
    this.#endAt = endAt;
    this.#when = when;
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    const number = ++this.operations;
    if (number > this.#endAt || (number === this.#endAt && this.#when === 'before')) throw new Ended();
    const result = await work();
    if (number === this.#endAt) throw new Ended();
    return result;
  }

  override create(key: Key, bytes: Uint8Array, named?: readonly WrittenObject[]): Promise<CreateResult> {
    return this.#counted(() => super.create(key, bytes, named));
  }

  override write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    return this.#counted(() => super.write(key, bytes));
  }

  override put(key: Key, bytes: Uint8Array): Promise<void> {
    return this.#counted(() => super.put(key, bytes));
  }

  override delete(keys: readonly Key[]): Promise<readonly DeleteFailure[]> {
    return this.#counted(() => super.delete(keys));
  }

  override commit(...args: Parameters<MemoryDriver['commit']>): Promise<boolean> {
    return this.#counted(() => super.commit(...args));
  }
}

/** What replicas of this store read. */
export type Source = ReplicationSource & {
  /** The last slot of its log of robots. */
  robots: number;
  open(inc: Parameters<StoreSource['open']>[0]): Promise<SourceBytes | undefined>;
};

export function sourceOver(driver: StorageDriver, clock: TestClock, lineage: readonly Incarnation[] = [STORE]): Source {
  const local = new StoreSource({
    driver,
    store: STORE,
    secrets: STORE,
    lineage: async () => lineage,
    newestNote: () => undefined,
    now: clock.now,
    sleep: clock.sleep,
  });
  return {
    robots: 0,
    identity: () => local.identity(),
    slots: (wanted) => local.slots(wanted),
    storeLog: (log, after, wait) => local.storeLog(log, after, wait),
    repositories: (after) => local.repositories(after),
    objects: (wanted) => local.objects(wanted),
    collections: (after) => local.collections(after),
    collection: (epoch) => local.collection(epoch),
    open: async (inc) => {
      const object = await local.open(inc);
      if (object === undefined) return undefined;
      const { size, body } = object;
      if (body.kind === 'file') throw new Error('a store in memory has no files');
      return { size, headers: new Headers(), chunks: body.open({ start: 0, end: size }) };
    },
  };
}

/** Writes the notes of a store, as far as the logs of these repositories have grown. */
export async function note(
  driver: StorageDriver,
  projection: MemoryProjection,
  repos: readonly RepositoryName[],
  clock: TestClock,
): Promise<void> {
  const log = new NotesLog({
    ...{ driver, now: clock.now, sleep: clock.sleep, node: 'primary' },
    newId: countingIncarnations(clock.now, 50),
    snapshotFailed: () => {},
  });
  const hints = new Map<RepositoryName, number>();
  for (const repo of repos) hints.set(repo, (await projection.newest(repo)).seq);
  await log.append(new Map([...hints].filter(([, seq]) => seq > 0)));
}

/** Replaces parts of a replica by wrong ones. */
export interface Parts {
  readonly replayer?: (right: Replayer, driver: StorageDriver) => Replayer;
  readonly bytes?: (right: LogCopierPorts['bytes']) => LogCopierPorts['bytes'];
  readonly logs?: (right: FollowerPorts['logs']) => FollowerPorts['logs'];
  /** Called before the replica acts on the state. */
  readonly became?: FollowerPorts['became'];
}

export interface Run {
  /** Why it ended before it had everything. */
  readonly failure: Error | undefined;
  readonly state: Follower['state'];
  /** How often lists of the source were refused. */
  readonly refusedLists: number;
}

/** Follows until the replica has everything, or until it fails. */
export async function follow(
  driver: StorageDriver,
  source: Source,
  parts: Parts = {},
  identity: ReplicaIdentity = { store: STORE, instance: INSTANCE },
  clock = new TestClock(),
): Promise<Run> {
  const projection = openProjection(driver, { clock });
  const robots = new RobotsView(driver);
  const end = new AbortController();
  let failure: Error | undefined;
  let refusedLists = 0;
  const rightBytes = new ByteCopier({
    ...{ driver, source, instance: identity.instance, now: clock.now },
    copied: () => {},
  });
  const replayer = parts.replayer?.(projection, driver) ?? projection;
  const missing = new MissingBytes({
    ...{ driver, bytes: rightBytes, now: clock.now },
    yieldToRequests: async () => {},
  });
  const notes = new NotesView(driver);
  const mayCreate = (): Promise<void> => requireUnpromoted(driver, notes, identity.instance);
  const rightLogs = new LogCopier({
    ...{ driver, source, replayer, mayCreate, isShared: false },
    bytes: parts.bytes?.(rightBytes) ?? rightBytes,
    newest: async (repo) => (await projection.newest(repo)).seq,
    copied: () => {},
    missing: (repo, failed) => missing.report(repo, failed),
  });
  const follower = new Follower({
    ...{ driver, source, identity, missing, notes, mayCreate },
    logs: parts.logs?.(rightLogs) ?? rightLogs,
    robots,
    noted: async () => {},
    robotsChanged: async () => {},
    deleting: () => rightBytes.forget(),
    refusedLists: () => void refusedLists++,
    yieldToRequests: async () => {},
    checked: () => {},
    became: (state) => {
      parts.became?.(state);
      if (state.kind === 'following' && state.isCurrent && robots.seq >= source.robots) end.abort();
      if ('error' in state) {
        failure = state.error;
        end.abort();
      }
    },
    now: clock.now,
    random: () => 0.5,
    sleep: clock.sleep,
  });
  await follower.run(end.signal);
  return { failure, state: follower.state, refusedLists };
}
