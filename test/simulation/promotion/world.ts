// A primary, its replicas and the processes that serve and copy them, on simulated time.
import { RobotsView } from '../../../src/access/robots/view.ts';
import { NotesLog } from '../../../src/feed/notes/log.ts';
import { NotesView } from '../../../src/feed/notes/view.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { RegistryError } from '../../../src/oci/errors.ts';
import { OCI_INDEX } from '../../../src/oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName } from '../../../src/oci/names.ts';
import { ByteCopier } from '../../../src/replica/copy-bytes.ts';
import { LogCopier } from '../../../src/replica/copy-logs.ts';
import { Follower, type FollowingState } from '../../../src/replica/follower.ts';
import { readReplicaMark, writeReplicaMark } from '../../../src/replica/mark.ts';
import { MissingBytes } from '../../../src/replica/missing-bytes.ts';
import { type PromotionPorts, promote } from '../../../src/replica/promote.ts';
import { requireUnpromoted } from '../../../src/replica/require-unpromoted.ts';
import { SourceAway } from '../../../src/replica/source-errors.ts';
import type { Key, StorageDriver } from '../../../src/storage/driver.ts';
import { MemoryDriver } from '../../../src/storage/memory/driver.ts';
import { PROMOTION } from '../../../src/storage/paths.ts';
import { type Source, sourceOver } from '../../replica/copying.ts';
import { countingIncarnations, TestClock } from '../../support/deterministic.ts';
import { openProjection } from '../../support/projections.ts';
import { CALLER, openRegistry, tag, text } from '../../support/registry.ts';
import type { Random } from '../random.ts';
import { type Owner, Scheduler } from '../scheduler.ts';

const SECOND_MS = 1_000;
const BEGIN = Date.UTC(2030, 0, 1);
export const REPOSITORIES = ['a', 'b', 'team/c'] as unknown as readonly RepositoryName[];
/** ULID of the history, and of the objects of the primary. */
export const HISTORY = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const NOTE_EVERY_MS = SECOND_MS;
/** As in wiring/replica.ts. */
const WATCH_EVERY_MS = 2 * SECOND_MS;

/** What is wrong on purpose. */
export interface Bug {
  readonly mayCreate?: () => Promise<void>;
  /** The store as a follower sees it. */
  readonly driver?: (right: StorageDriver) => StorageDriver;
  readonly promote?: (actor: string, ports: PromotionPorts) => Promise<void>;
}

/** A store. Its objects outlive all processes. */
export interface Store {
  readonly name: 'primary' | 'replica' | 'other';
  readonly instance: Incarnation;
  readonly objects: Map<Key, Uint8Array>;
}

/** A write that a client was told has happened. */
export interface Acknowledged {
  readonly store: Store;
  readonly repo: RepositoryName;
  readonly digest: Digest;
}

/** A process: it can die or hang at any await. */
export class Process implements Owner {
  isDead = false;
  hangsUntil = 0;
}

class SimulatedClock extends TestClock {
  override readonly now: () => number;
  override readonly sleep: (milliseconds: number) => Promise<void>;

  constructor(scheduler: Scheduler, owner: Owner | undefined) {
    super(BEGIN);
    this.now = () => scheduler.now;
    this.sleep = (milliseconds) => scheduler.sleep(milliseconds, owner);
  }
}

function storeOf(name: Store['name'], instance: string): Store {
  return { name, instance: instance as Incarnation, objects: new Map() };
}

export class World {
  readonly scheduler = new Scheduler(BEGIN);
  readonly random: Random;
  readonly violations: string[] = [];
  readonly primary = storeOf('primary', HISTORY);
  readonly replica = storeOf('replica', '01BX5ZZKBKACTAV9WEVGEMMVRZ');
  readonly other = storeOf('other', '01BX5ZZKBKACTAV9WEVGEMMVS0');
  readonly acknowledged: Acknowledged[] = [];
  readonly processes = new Set<Process>();
  /** Those that copy into the replica. */
  readonly copying = new Set<Process>();
  /** When the replica's notes said that it was promoted, milliseconds. */
  promotedAt: number | undefined;
  /** How likely a request to a store, or to a source, gets no answer. */
  faults: number;
  readonly #bug: Bug;
  #numbers = 0;

  constructor(random: Random, bug: Bug) {
    this.random = random;
    this.#bug = bug;
    this.faults = random.pick([0, 0.01, 0.05]);
  }

  process(): Process {
    const process = new Process();
    this.processes.add(process);
    return process;
  }

  /** A server that accepts writes, with the writer of its notes. @returns pushes an image; false: the client was not told that it has happened */
  serve(store: Store, process: Process): () => Promise<boolean> {
    const { random, scheduler } = this;
    const number = ++this.#numbers;
    const driver = this.#driverOf(store, process);
    const clock = new SimulatedClock(scheduler, process);
    const { registry, projection } = openRegistry({ driver, clock, number, probe: true });
    void this.#noteGrowth(store, process, driver, async (repo) => (await projection.newest(repo)).seq);
    return async () => {
      const repo = random.pick(REPOSITORIES);
      const annotations = { number: String(++this.#numbers) };
      const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations }));
      const tags = [tag(random.pick(['v1', 'v2', 'latest']))];
      try {
        await registry.pushManifest(repo, { bytes, contentType: OCI_INDEX, digest: undefined, tags }, CALLER);
      } catch (error) {
        if (error instanceof RegistryError && error.kind === 'unavailable') return false;
        if (isUnanswered(error)) return false;
        throw error;
      }
      this.acknowledged.push({ store, repo, digest: digestOf('sha256', bytes) });
      return true;
    };
  }

  async #noteGrowth(
    store: Store,
    process: Process,
    driver: StorageDriver,
    newest: (repo: RepositoryName) => Promise<number>,
  ): Promise<void> {
    const { scheduler } = this;
    const clock = new SimulatedClock(scheduler, process);
    const log = new NotesLog({
      ...{ driver, now: clock.now, sleep: clock.sleep, node: store.name, snapshotFailed: () => {} },
      newId: countingIncarnations(clock.now, 500 + ++this.#numbers),
    });
    for (;;) {
      await scheduler.sleep(NOTE_EVERY_MS, process);
      try {
        const grown = new Map<RepositoryName, number>();
        for (const repo of REPOSITORIES) grown.set(repo, await newest(repo));
        await log.append(new Map([...grown].filter(([, seq]) => seq > 0)));
      } catch (error) {
        if (!isUnanswered(error) && !(error instanceof RegistryError)) throw error;
      }
    }
  }

  /** A process of a replica. It looks as often as a real one whether its store was promoted. @returns what it is doing */
  follow(store: Store, of: Store, process: Process): () => FollowingState {
    const { scheduler, random } = this;
    if (store === this.replica) this.copying.add(process);
    const driver = this.#driverOf(store, process);
    const clock = new SimulatedClock(scheduler, process);
    const source = this.#sourceOf(of, process);
    const projection = openProjection(driver, {
      ...{ clock, probe: true, newId: countingIncarnations(clock.now, 900 + ++this.#numbers) },
    });
    const identity = { store: HISTORY, instance: store.instance };
    const notes = new NotesView(driver);
    const mayCreate = this.#bug.mayCreate ?? ((): Promise<void> => requireUnpromoted(driver, notes, store.instance));
    const bytes = new ByteCopier({ driver, source, instance: store.instance, now: clock.now, copied: () => {} });
    const missing = new MissingBytes({ driver, bytes, now: clock.now, yieldToRequests: async () => {} });
    const logs = new LogCopier({
      ...{ driver, source, bytes, mayCreate, isShared: true },
      replayer: projection,
      newest: async (repo) => (await projection.newest(repo)).seq,
      copied: () => {},
      missing: (repo, failed) => missing.report(repo, failed),
    });
    const end = new AbortController();
    const follower = new Follower({
      ...{ source, identity, logs, missing, notes, mayCreate, robots: new RobotsView(driver) },
      driver: this.#bug.driver?.(driver) ?? driver,
      ...{ noted: async () => {}, robotsChanged: async () => {}, deleting: () => bytes.forget() },
      ...{ refusedLists: () => {}, yieldToRequests: async () => {}, checked: () => {}, became: () => {} },
      ...{ now: clock.now, random: random.next },
      sleep: (milliseconds, signal) => this.#sleep(milliseconds, signal, process),
    });
    void follower.run(end.signal);
    void this.#watch(driver, process, end);
    return () => follower.state;
  }

  async #watch(driver: StorageDriver, process: Process, end: AbortController): Promise<void> {
    while (!end.signal.aborted) {
      await this.scheduler.sleep(WATCH_EVERY_MS, process);
      try {
        if ((await readReplicaMark(driver))?.promoted !== undefined) end.abort();
      } catch (error) {
        if (!isUnanswered(error)) throw error;
      }
    }
  }

  async begin(store: Store): Promise<void> {
    const since = new Date(BEGIN).toISOString();
    await writeReplicaMark(new MemoryDriver(store.objects), { v: 1, source: 'https://p', lineage: [HISTORY], since });
  }

  /** An operator promotes the replica, repeatedly if there was no answer. */
  async promote(process: Process): Promise<void> {
    const { scheduler, replica } = this;
    const driver = this.#driverOf(replica, process);
    const { now, sleep } = new SimulatedClock(scheduler, process);
    const ports: PromotionPorts = {
      ...{ driver, now, sleep, identity: { store: HISTORY, instance: replica.instance }, node: 'replica' },
      newId: countingIncarnations(now, 700 + ++this.#numbers),
    };
    for (;;) {
      try {
        await (this.#bug.promote ?? promote)('operator:0', ports);
        return;
      } catch (error) {
        if (replica.objects.has(PROMOTION)) return;
        if (!isUnanswered(error) && !(error instanceof RegistryError)) throw error;
      }
      await scheduler.sleep(SECOND_MS, process);
    }
  }

  /** What others get of a store, over a network that loses answers. */
  #sourceOf(of: Store, process: Process): Source {
    const clock = new SimulatedClock(this.scheduler, process);
    const local = sourceOver(new MemoryDriver(of.objects), clock);
    const asked = async <T>(work: () => Promise<T>): Promise<T> => {
      await this.scheduler.sleep(this.random.between(1, 50), process);
      if (this.random.chance(this.faults)) throw new SourceAway('no answer');
      const answer = await work();
      await this.scheduler.sleep(this.random.between(1, 50), process);
      return answer;
    };
    return {
      ...{
        robots: 0,
        identity: () => asked(async () => ({ ...(await local.identity()), lineage: this.#lineageOf(of) })),
      },
      slots: (wanted) => asked(() => local.slots(wanted)),
      storeLog: (log, after, wait) => asked(() => local.storeLog(log, after, wait)),
      repositories: (after) => asked(() => local.repositories(after)),
      objects: (wanted) => asked(() => local.objects(wanted)),
      collections: (after) => asked(() => local.collections(after)),
      collection: (epoch) => asked(() => local.collection(epoch)),
      open: (inc) => asked(() => local.open(inc)),
    };
  }

  #lineageOf({ instance, objects }: Store): readonly Incarnation[] {
    return instance === HISTORY || objects.has(PROMOTION) ? [instance] : [instance, HISTORY];
  }

  #driverOf(store: Store, process: Process): StorageDriver {
    return new SlowStore(store.objects, async () => {
      await this.scheduler.sleep(this.random.between(0, 20), process);
      if (this.random.chance(this.faults)) throw new Unanswered();
    });
  }

  #sleep(milliseconds: number, signal: AbortSignal, owner: Owner): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const end = (): void => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.scheduler.after(milliseconds, end, owner);
      signal.addEventListener('abort', end);
    });
  }
}

class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

function isUnanswered(error: unknown): boolean {
  return error instanceof Unanswered || error instanceof SourceAway;
}

/** A store that answers late, or not at all: before the work, or after it. */
class SlowStore extends MemoryDriver {
  readonly #delay: () => Promise<void>;

  constructor(objects: Map<string, Uint8Array>, delay: () => Promise<void>) {
    super(objects);
    this.#delay = delay;
  }

  async #slowly<T>(work: () => Promise<T>): Promise<T> {
    await this.#delay();
    const result = await work();
    await this.#delay();
    return result;
  }

  override create(...args: Parameters<MemoryDriver['create']>): ReturnType<MemoryDriver['create']> {
    return this.#slowly(() => super.create(...args));
  }

  override write(...args: Parameters<MemoryDriver['write']>): ReturnType<MemoryDriver['write']> {
    return this.#slowly(() => super.write(...args));
  }

  override put(...args: Parameters<MemoryDriver['put']>): Promise<void> {
    return this.#slowly(() => super.put(...args));
  }

  override read(...args: Parameters<MemoryDriver['read']>): ReturnType<MemoryDriver['read']> {
    return this.#slowly(() => super.read(...args));
  }

  override head(...args: Parameters<MemoryDriver['head']>): ReturnType<MemoryDriver['head']> {
    return this.#slowly(() => super.head(...args));
  }
}
