import { RegistryError } from '../../src/oci/errors.ts';
import type { Projection } from '../../src/projection/projection.ts';
import { RedisGone } from '../../src/projection/redis/commands.ts';
import { metaKey } from '../../src/projection/redis/keys.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { NoAnswer } from '../../src/storage/s3/failures.ts';
import type { Bug } from './bugs.ts';
import type { FeedBug } from './feed/feed-node.ts';
import { History, type Outcome, type PastState } from './history.ts';
import type { Machine } from './machine.ts';
import { Network, type NetworkFaults } from './network.ts';
import { type NodeEnvironment, type SimulatedNode, STORE, startNode } from './node.ts';
import { Objects } from './objects.ts';
import type { Random } from './random.ts';
import { RedisGroup } from './redis.ts';
import { Keyspace } from './redis-keyspace.ts';
import { SimulatedBucket } from './s3.ts';
import { Scheduler } from './scheduler.ts';
import { CLUSTER, type Setting } from './setting.ts';
import type { SharedProcess } from './threads/process.ts';
import { REPOSITORIES } from './vocabulary.ts';

const BEGIN_MS = Date.UTC(2030, 0, 1);
/** The errors of a correct node that could not do its work; any other error is a defect. */
const TRANSIENT: readonly string[] = ['unavailable', 'upload-interrupted', 'upload-busy'];

/** Scripts after which a view counts as verified. */
const VERIFYING_SCRIPTS: ReadonlySet<string> = new Set(['own', 'switch']);
/** Scripts after which a replica may be stale. */
const WRITING_SCRIPTS: ReadonlySet<string> = new Set(['announce', 'apply', 'upload-save']);

/** The answer of a node, with the scheduler's steps of request and answer. */
export interface TimedOutcome<T> {
  readonly outcome: Outcome<T>;
  readonly begin: number;
  readonly end: number;
}

interface Watcher {
  readonly what: string;
  left: number;
  readonly act: (machine: Machine) => void;
}

export interface WorldOptions {
  readonly random: Random;
  readonly bug: Bug;
  /** The number of nodes. */
  readonly size: number;
  readonly networkFaults: NetworkFaults;
  readonly keepsNotes: boolean;
  readonly setting?: Setting;
  /** The nodes have a feed of changes, with this bug. */
  readonly feed?: FeedBug;
  /** Processes that take no requests. */
  readonly workers?: number;
  /** Wraps the projections of nodes to observe their decisions. */
  readonly observe?: (world: Ground) => (projection: Projection) => Projection;
  /** The nodes are threads of one process, which are killed together. */
  readonly openProcess?: (world: World) => SharedProcess;
}

/** The part of a world that exists before the first node starts. */
export type Ground = Pick<World, 'setting' | 'scheduler' | 'objects' | 'history'>;

/** A cluster: some nodes, one Redis, one bucket. */
export class World implements NodeEnvironment {
  readonly setting: Setting;
  readonly scheduler = new Scheduler(BEGIN_MS);
  readonly objects = new Objects(this.scheduler);
  readonly bucket: SimulatedBucket;
  readonly memory = new MemoryDriver(this.objects);
  readonly redis: RedisGroup;
  readonly network: Network;
  readonly bug: Bug;
  readonly feed: FeedBug | undefined;
  readonly history: History;
  readonly random: Random;
  readonly watched: (projection: Projection) => Projection;
  readonly #openProcess: WorldOptions['openProcess'];
  process: SharedProcess | undefined;
  /** The scheduler's steps at which `process` was started again. */
  readonly restarts: number[] = [];
  readonly nodes: SimulatedNode[] = [];
  readonly workers: SimulatedNode[] = [];
  /** Requests that no node has answered yet. */
  readonly open = new Set<string>();
  readonly #watchers = new Set<Watcher>();
  #processes = 0;
  #numbers = 0;

  constructor(options: WorldOptions) {
    const { random, bug, size, networkFaults, keepsNotes, setting = CLUSTER, workers = 0, observe } = options;
    this.random = random;
    this.bug = bug;
    this.feed = options.feed;
    this.setting = setting;
    this.history = new History(keepsNotes);
    this.watched = observe?.(this) ?? ((projection) => projection);
    this.bucket = new SimulatedBucket(this.objects, bug.ignoresEtags === true);
    this.redis = new RedisGroup(this.scheduler);
    this.network = new Network(random.child(), this.scheduler, networkFaults);
    this.#openProcess = options.openProcess;
    this.process = this.#openProcess?.(this);
    while (this.nodes.length < size) this.nodes.push(this.#start());
    while (this.workers.length < workers) this.workers.push(this.#start());
  }

  /** Called when a script has run, or a request was sent or executed: faults may be injected then. */
  readonly happened = (what: string, machine: Machine, key?: string): void => {
    if (key !== undefined && VERIFYING_SCRIPTS.has(what)) this.#readAsNewNode(key, what);
    if (WRITING_SCRIPTS.has(what)) this.redis.replicate();
    for (const watcher of [...this.#watchers]) {
      if (watcher.what !== what || --watcher.left > 0) continue;
      this.#watchers.delete(watcher);
      watcher.act(machine);
    }
  };

  /** Ends all faults. */
  calm(): void {
    this.#watchers.clear();
    this.network.calm();
    this.restart();
    if (this.redis.master.condition === 'down') this.redis.start(new Keyspace());
  }

  /**
   * Reads like a node that has just started. Such a node cannot know that a view was set back, so a verified view must never be
   * behind an acknowledged write.
   */
  #readAsNewNode(key: string, what: string): void {
    const repo = REPOSITORIES.find((each) => key === metaKey(STORE, each));
    const { keyspace, identity } = this.redis.master;
    const meta = keyspace.hash(key, this.scheduler.now);
    const isVerified = meta.get('owner') === `${identity.runId}:${identity.replid}`;
    const seq = Number(meta.get('seq'));
    const isOpen = Number(meta.get('intent') ?? 0) > seq;
    if (repo === undefined || !isVerified || (isOpen && this.scheduler.now >= Number(meta.get('due')))) return;
    const step = this.scheduler.step;
    const holds = (state: PastState) => state.seq === seq;
    const label = `a node that starts after ${what}`;
    this.history.observations.push({ what: label, repo, kind: 'read', begin: step, end: step, label, holds });
  }

  /** Acts when this happens for the `left`-th time. */
  watch(what: string, left: number, act: (machine: Machine) => void): void {
    this.#watchers.add({ what, left, act });
  }

  #start(): SimulatedNode {
    return startNode(++this.#processes, this, this.random.child());
  }

  note(text: () => string): void {
    this.history.note(() => `${((this.scheduler.now - BEGIN_MS) / 1000).toFixed(3).padStart(8)} ${text()}`);
  }

  /** A unique number for a request or an upload. */
  nextNumber(): number {
    return ++this.#numbers;
  }

  /** Kills a node's process. */
  kill(machine: Machine): void {
    if (machine.isDead) return;
    this.note(() => `${machine.name} is killed`);
    machine.kill();
    if (this.process === undefined) return;
    for (const { machine: other } of this.nodes) other.kill();
  }

  hang(machine: Machine, milliseconds: number): void {
    this.note(() => `${machine.name} hangs for ${milliseconds} ms`);
    machine.hang(milliseconds);
  }

  /** Starts a new process for each one that was killed. */
  restart(): void {
    if (this.process !== undefined && this.nodes.some(({ machine }) => machine.isDead)) {
      this.process = this.#openProcess?.(this);
      this.restarts.push(this.scheduler.step);
    }
    for (const processes of [this.nodes, this.workers]) {
      for (const [index, { machine }] of processes.entries()) {
        if (!machine.isDead) continue;
        const node = this.#start();
        processes[index] = node;
        this.note(() => `${node.machine.name} begins`);
      }
    }
  }

  /** Sends a request to any node. Its answer is noted even if its client has timed out. */
  request<T>(what: string, work: (node: SimulatedNode) => Promise<T>, at?: SimulatedNode): Promise<TimedOutcome<T>> {
    const node = at ?? this.random.pick(this.nodes);
    const { machine } = node;
    const name = `${what} at ${machine.name}`;
    return new Promise((resolve) => {
      let begin = this.scheduler.step;
      const end = (outcome: Outcome<T>): void => {
        if (!this.open.delete(name)) return;
        this.note(() => `${name}: ${describe(outcome)}`);
        resolve({ outcome, begin, end: this.scheduler.step });
      };
      this.open.add(name);
      machine.onDeath(() => end({ kind: 'unknown' }));
      const run = async (): Promise<void> => {
        begin = this.scheduler.step;
        const sent = this.scheduler.now;
        this.note(() => `${name} …`);
        try {
          end({ kind: 'ok', value: await work(node) });
        } catch (error) {
          end(this.#outcomeOf(what, error, this.scheduler.now - sent));
        }
      };
      this.scheduler.after(this.random.next() * 5, () => void run(), machine);
    });
  }

  /** @param took milliseconds */
  #outcomeOf(what: string, error: unknown, took: number): Outcome<never> {
    if (error instanceof NoAnswer) return { kind: 'unknown' };
    if (error instanceof RegistryError) {
      const { grace, skew } = this.setting;
      // A process that pauses for that long between reading the log and the bytes may find the bytes deleted.
      const isTooSlow = error.kind === 'content-damaged' && took >= grace - skew;
      if (isTooSlow) return { kind: 'unknown' };
      if (error.kind === 'content-damaged' || error.kind === 'log-broken') {
        this.history.violated(`${what}: ${error.message}`);
      }
      return TRANSIENT.includes(error.kind) ? { kind: 'unknown' } : { kind: 'refused', error: error.kind };
    }
    const isRedis = error instanceof RedisGone ? 'a failure of Redis reached a client: ' : '';
    const text =
      error instanceof Error ? `${error.stack ?? error.message} ${String(error.cause ?? '')}` : String(error);
    this.history.violated(`${what}: ${isRedis}${text}`);
    return { kind: 'unknown' };
  }
}

function describe(outcome: Outcome<unknown>): string {
  if (outcome.kind === 'ok') return `ok ${JSON.stringify(outcome.value) ?? ''}`.slice(0, 160);
  return outcome.kind === 'refused' ? outcome.error : 'no answer';
}
