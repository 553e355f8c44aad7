import { type Job, KINDS, type Kind, keyOf, type PeriodicKind } from './job.ts';
import {
  backoffBefore,
  DEAD_LETTERS_KEPT,
  type DeadLetter,
  type EnqueueOptions,
  type JobBoard,
  type JobCounts,
  type JobPolicy,
  type JobQueue,
  type JobRun,
  type Outcome,
  type RunJob,
} from './queue.ts';

export interface InProcessPorts {
  readonly run: RunJob;
  readonly policies: Readonly<Record<Kind, JobPolicy>>;
  /** Milliseconds. */
  readonly now: () => number;
  /** Resolves early, without an error, when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** An attempt ended. */
  readonly ended: (run: JobRun) => void;
  /** How long `close` waits for running jobs, in milliseconds. */
  readonly closeWithin: number;
}

interface Entry {
  readonly id: string;
  readonly key: string;
  readonly job: Job;
  /** The next attempt's number, from 1. */
  attempt: number;
  /** When it became ready to run, in milliseconds. */
  readyAt: number;
  /** The latest progress report of this attempt. */
  progress?: object;
}

interface KeptDeadLetter extends DeadLetter {
  readonly payload: Job;
}

/** The jobs of one kind by key, in order. Each entry is in one of the first three maps. */
interface Lane {
  readonly policy: JobPolicy;
  readonly waiting: Map<string, Entry>;
  readonly delayed: Map<string, Entry>;
  readonly active: Map<string, Entry>;
  /** Enqueued while a job of the same key is active. */
  readonly next: Map<string, Job>;
  readonly dead: KeptDeadLetter[];
}

/**
 * The jobs of a process that is alone on its store. The queue is not persisted, because periodic jobs find in the store
 * what is due.
 */
export class InProcessQueue implements JobQueue, JobBoard {
  readonly #ports: InProcessPorts;
  readonly #lanes: ReadonlyMap<Kind, Lane>;
  readonly #stop = new AbortController();
  readonly #schedules = new Map<PeriodicKind, AbortController>();
  readonly #running = new Set<Promise<void>>();
  #entries = 0;

  constructor(ports: InProcessPorts) {
    this.#ports = ports;
    this.#lanes = new Map(KINDS.map((kind) => [kind, emptyLane(ports.policies[kind])]));
  }

  async enqueue(job: Job, { key = keyOf(job), delay = 0 }: EnqueueOptions = {}): Promise<boolean> {
    if (this.#stop.signal.aborted) return false;
    const lane = this.#lane(job.kind);
    if (lane.waiting.has(key) || lane.delayed.has(key)) return true;
    if (lane.active.has(key)) lane.next.set(key, job);
    else this.#add(lane, { id: this.#nextId(job.kind), key, job, attempt: 1, readyAt: this.#ports.now() }, delay);
    return true;
  }

  /** The first run is one interval from now. */
  async schedule(kind: PeriodicKind, every: number): Promise<void> {
    this.#schedules.get(kind)?.abort();
    const own = new AbortController();
    this.#schedules.set(kind, own);
    this.#track(this.#repeat(kind, every, AbortSignal.any([own.signal, this.#stop.signal])));
  }

  async counts(): Promise<readonly JobCounts[]> {
    const now = this.#ports.now();
    return [...this.#lanes].map(([kind, { waiting, active, delayed, dead }]) => ({
      kind,
      waiting: waiting.size,
      active: active.size,
      delayed: delayed.size,
      failed: dead.length,
      oldestSeconds: Math.max(0, ...[...waiting.values()].map(({ readyAt }) => now - readyAt)) / 1000,
    }));
  }

  async deadLetters(limit: number): Promise<readonly DeadLetter[]> {
    const all = [...this.#lanes.values()].flatMap(({ dead }) => dead);
    return all.sort((one, other) => other.failedAt - one.failedAt).slice(0, limit);
  }

  async retry(id: string): Promise<boolean> {
    for (const lane of this.#lanes.values()) {
      const at = lane.dead.findIndex((letter) => letter.id === id);
      const [letter] = at < 0 ? [] : lane.dead.splice(at, 1);
      if (letter !== undefined) return await this.enqueue(letter.payload);
    }
    return false;
  }

  async progress(job: Job): Promise<unknown> {
    const { active } = this.#lane(job.kind);
    const [other] = active.values();
    return (active.get(keyOf(job)) ?? other)?.progress;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the process is stopping'));
    for (const lane of this.#lanes.values()) lane.waiting.clear();
    const ended = new AbortController();
    const settled = this.#settled().finally(() => ended.abort());
    await Promise.race([settled, this.#ports.sleep(this.#ports.closeWithin, ended.signal)]);
  }

  async #settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #lane(kind: Kind): Lane {
    const lane = this.#lanes.get(kind);
    if (lane === undefined) throw new Error(`there is no queue for ${kind}`);
    return lane;
  }

  #nextId(kind: Kind): string {
    this.#entries++;
    return `${kind}:${this.#entries}`;
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  async #repeat(kind: PeriodicKind, every: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#ports.sleep(every, signal);
      if (!signal.aborted) await this.enqueue({ kind });
    }
  }

  #add(lane: Lane, entry: Entry, delay: number): void {
    if (delay > 0) {
      lane.delayed.set(entry.key, entry);
      this.#track(this.#addLater(lane, entry, delay));
      return;
    }
    lane.waiting.set(entry.key, entry);
    this.#start(lane);
  }

  async #addLater(lane: Lane, entry: Entry, delay: number): Promise<void> {
    await this.#ports.sleep(delay, this.#stop.signal);
    lane.delayed.delete(entry.key);
    if (this.#stop.signal.aborted) return;
    entry.readyAt = this.#ports.now();
    this.#add(lane, entry, 0);
  }

  #start(lane: Lane): void {
    for (const [key, entry] of lane.waiting) {
      if (lane.active.size >= lane.policy.concurrency || this.#stop.signal.aborted) return;
      lane.waiting.delete(key);
      lane.active.set(key, entry);
      this.#track(this.#attempt(lane, entry));
    }
  }

  async #attempt(lane: Lane, entry: Entry): Promise<void> {
    const begun = this.#ports.now();
    const { signal } = this.#stop;
    const { job, key, attempt } = entry;
    let outcome: Outcome = 'done';
    let error: unknown;
    delete entry.progress;
    try {
      await this.#ports.run(job, signal, (progress) => {
        entry.progress = progress;
      });
    } catch (thrown) {
      outcome = signal.aborted ? 'stopped' : 'failed';
      error = thrown;
    }
    lane.active.delete(key);
    const isDead = outcome === 'failed' && attempt >= lane.policy.attempts;
    const seconds = (this.#ports.now() - begun) / 1000;
    this.#ports.ended({
      kind: job.kind,
      key,
      outcome,
      seconds,
      attempt,
      isDead,
      ...(outcome === 'failed' ? { error } : {}),
    });
    if (outcome === 'failed' && !isDead) this.#tryAgain(lane, entry);
    else this.#finish(lane, entry, isDead ? error : undefined);
    this.#start(lane);
  }

  #tryAgain(lane: Lane, entry: Entry): void {
    // The retry also does the work of the job that was enqueued in the meantime.
    lane.next.delete(entry.key);
    if (this.#stop.signal.aborted) return;
    entry.attempt++;
    this.#add(lane, entry, backoffBefore(entry.attempt, lane.policy));
  }

  #finish(lane: Lane, { id, key, job, attempt }: Entry, error: unknown): void {
    if (error !== undefined) {
      const reason = error instanceof Error ? error.message : String(error);
      lane.dead.push({ id, kind: job.kind, payload: job, attempts: attempt, reason, failedAt: this.#ports.now() });
      if (lane.dead.length > DEAD_LETTERS_KEPT) lane.dead.shift();
    }
    const next = lane.next.get(key);
    lane.next.delete(key);
    if (next === undefined || this.#stop.signal.aborted) return;
    this.#add(lane, { id: this.#nextId(job.kind), key, job: next, attempt: 1, readyAt: this.#ports.now() }, 0);
  }
}

function emptyLane(policy: JobPolicy): Lane {
  return { policy, waiting: new Map(), delayed: new Map(), active: new Map(), next: new Map(), dead: [] };
}
