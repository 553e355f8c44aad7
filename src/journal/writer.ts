import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { ReachStep } from '../storage/crash-points.ts';
import type { Durability, ObjectStore, StoreReader } from '../storage/driver.ts';
import { NotDurable } from '../storage/not-durable.ts';
import { markerKey, slotKey } from '../storage/paths.ts';
import type { Command, Decision, Needs } from './command.ts';
import { BATCH_VERSION, type Batch, encodeBatch, hashSlot, type JournalEvent, type SlotHash } from './events.ts';
import { readSlot } from './log.ts';
import { PendingFacts } from './pending.ts';
import type { RepositoryFacts } from './state.ts';
import type { Turns } from './turns.ts';
import { untilAnswered } from './until-answered.ts';

const MAX_EVENTS = 256;
const MAX_BYTES = 1024 * 1024;
/** A command that is not acknowledged by then fails with 503. Its write may still appear later. */
const DEADLINE_MS = 10_000;
const NOTHING: Needs = {};

/** The view that a writer decides on and updates. */
export interface WritableView {
  /** The repository at the newest slot that the view knows, with the facts that the commands need. */
  head(needs: readonly Needs[]): Promise<ViewHead>;
  /**
   * Announces that this process is about to create a slot with this batch. If it dies afterwards, other nodes know that a shared
   * view may be missing that slot.
   * @returns false if the view has advanced: the commands must be decided again
   */
  announce(batch: Batch): Promise<boolean>;
  /** Advances the view from the previous slot to this one. `hash` and `size` are those of the slot's bytes. */
  apply(batch: Batch, hash: SlotHash, size: number): Promise<void>;
  /** Another writer took the next slot: folds up to the first absent slot. */
  catchUp(): Promise<void>;
}

export interface ViewHead {
  readonly seq: number;
  readonly hash: SlotHash;
  readonly facts: RepositoryFacts;
}

/** The storage of a log. */
export type LogStore = StoreReader & Pick<ObjectStore, 'create' | 'createInOrder'> & Pick<Durability, 'confirm'>;

export interface WriterPorts {
  readonly driver: LogStore;
  readonly now: () => number;
  readonly newId: () => Incarnation;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly reach: ReachStep;
  /** Name of this process in the log. */
  readonly node: string;
  /** Called after a slot was written. */
  readonly onAppend: (events: number, repo: RepositoryName, seq: number) => void;
  /**
   * Called when the view has slots, up to this one, that `onAppend` may not have been called for: their writer lost the answer of the
   * store, or its process ended. A client that repeats its write is then acknowledged without another event.
   */
  readonly onFound?: (repo: RepositoryName, seq: number) => void;
}

interface Waiting {
  readonly command: Command<unknown>;
  readonly deadline: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Decided {
  readonly waiting: Waiting;
  /** Reports the outcome to the command's sender. */
  readonly settle: () => void;
}

/** The only writer of a repository's log in this thread. Commands that wait at the same time are written as one slot. */
export class LogWriter {
  readonly #repo: RepositoryName;
  readonly #view: WritableView;
  readonly #ports: WriterPorts;
  readonly #turns: Turns | undefined;
  #queue: Waiting[] = [];
  #running = false;
  #marks = false;
  #marked = false;
  /** Whether the view may have got slots, since `onFound` was called, of which no writer tells. */
  #hasFound = false;

  /** @param turns if other threads of this process write to the log */
  constructor(repo: RepositoryName, view: WritableView, ports: WriterPorts, turns?: Turns) {
    this.#repo = repo;
    this.#view = view;
    this.#ports = ports;
    this.#turns = turns;
  }

  /** Whether this writer tried to create the repository's marker: then the marker, and a slot, may exist. */
  get hasMarked(): boolean {
    return this.#marks;
  }

  get idle(): boolean {
    return !this.#running;
  }

  /**
   * Decides the command on the newest state and resolves once its events are durable and visible.
   * @throws RegistryError the error with which the command was refused; `unavailable` if storage did not answer in time
   */
  submit<T>(command: Command<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        command,
        deadline: this.#ports.now() + DEADLINE_MS,
        // Called only with the result of this command's own decision.
        resolve: (result) => resolve(result as T),
        reject,
      });
      if (!this.#running) {
        this.#running = true;
        queueMicrotask(() => void this.#run());
      }
    });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const turn = this.#turns?.take();
      const endTurn = turn instanceof Promise ? await turn : turn;
      // Commands that came while the writer waited for its turn are in the same slot.
      const group = this.#queue;
      this.#queue = [];
      try {
        await this.#writeGroup(group);
      } catch (error) {
        for (const waiting of group) waiting.reject(error);
      } finally {
        endTurn?.();
      }
    }
    this.#running = false;
  }

  /** When it returns, every command of the group is settled or back in the queue. */
  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const head = await this.#view.head(group.map(({ command }) => command.needs ?? NOTHING));
    if (this.#hasFound) {
      this.#hasFound = false;
      this.#ports.onFound?.(this.#repo, head.seq);
    }
    const now = this.#ports.now();
    const { decided, events, left } = await this.#decide(group, head.facts, now);
    // Commands that did not fit come first in the next batch.
    this.#queue = [...left, ...this.#queue];
    if (events.length === 0) {
      for (const { settle } of decided) settle();
      return;
    }
    const batch: Batch = {
      v: BATCH_VERSION,
      repo: this.#repo,
      seq: head.seq + 1,
      prev: head.hash,
      batch: this.#ports.newId(),
      node: this.#ports.node,
      at: new Date(now).toISOString(),
      events: [...events],
    };
    const deadline = decided.reduce((latest, { waiting }) => Math.max(latest, waiting.deadline), 0);
    const members = decided.map(({ waiting }) => waiting);
    try {
      const bytes = encodeBatch(batch);
      // A decision made before the marker existed may have read storage without any collection knowing of this log.
      if (head.seq === 0 && !this.#marked) {
        await this.#untilAnswered(deadline, () => this.#mark());
        this.#decideAgain(members);
        return;
      }
      if (!(await this.#view.announce(batch))) return this.#decideAgain(members);
      if (await this.#createSlot(batch, bytes, deadline, members)) {
        this.#ports.reach('append.before-apply');
        await this.#view.apply(batch, hashSlot(bytes), bytes.length);
        this.#ports.onAppend(events.length, this.#repo, batch.seq);
        this.#ports.reach('append.before-acknowledge');
        for (const { settle } of decided) settle();
        return;
      }
      await this.#untilAnswered(deadline, () => this.#view.catchUp());
      this.#hasFound = true;
    } catch (error) {
      if (error instanceof NotDurable) {
        this.#decideAgain(members.filter((waiting) => !isRefused(waiting, error)));
        return;
      }
      for (const waiting of members) waiting.reject(error);
      // The slot may exist, or appear later.
      this.#hasFound = true;
      return;
    }
    this.#decideAgain(members);
  }

  /** Another writer took the slot. However often that happens, no command waits beyond its deadline. */
  #decideAgain(lost: readonly Waiting[]): void {
    const now = this.#ports.now();
    for (const waiting of lost) if (now >= waiting.deadline) waiting.reject(unconfirmed());
    this.#queue = [...lost.filter(({ deadline }) => now < deadline), ...this.#queue];
  }

  async #decide(
    group: readonly Waiting[],
    base: RepositoryFacts,
    now: number,
  ): Promise<{ decided: Decided[]; events: JournalEvent[]; left: readonly Waiting[] }> {
    const facts = new PendingFacts(base, now);
    const decided: Decided[] = [];
    const events: JournalEvent[] = [];
    let bytes = 0;
    for (const [index, waiting] of group.entries()) {
      // Earlier decisions may have waited for storage.
      if (this.#ports.now() >= waiting.deadline) {
        waiting.reject(unconfirmed());
        continue;
      }
      let decision: Decision<unknown>;
      try {
        decision = await waiting.command.decide(facts);
      } catch (error) {
        waiting.reject(error);
        continue;
      }
      if (decision.kind === 'refused') {
        const { error } = decision;
        // The reason may be an unwritten event, which must not be revealed before it is written.
        if (events.length === 0) waiting.reject(error);
        else decided.push({ waiting, settle: () => waiting.reject(error) });
        continue;
      }
      // A command is never split, so a batch with a single command may be larger.
      const size = decision.events.reduce((sum, event) => sum + sizeOf(event), 0);
      const fits = events.length + decision.events.length <= MAX_EVENTS && bytes + size <= MAX_BYTES;
      if (events.length > 0 && decision.events.length > 0 && !fits)
        return { decided, events, left: group.slice(index) };
      for (const event of decision.events) {
        facts.absorb(event);
        events.push(event);
      }
      bytes += size;
      const { result } = decision;
      decided.push({ waiting, settle: () => waiting.resolve(result) });
    }
    return { decided, events, left: [] };
  }

  /**
   * Makes the marker durable before slot 1 is created, so that the list of all logs is complete. The marker must also exist before
   * the first decision, because a collection fences only the logs whose markers it lists after it has condemned objects.
   */
  async #mark(): Promise<void> {
    const key = markerKey(this.#repo);
    this.#marks = true;
    // The marker of a process that was killed before slot 1 may not be durable yet.
    if ((await this.#ports.driver.create(key, new Uint8Array())) === 'taken') await this.#ports.driver.confirm(key);
    this.#marked = true;
  }

  /** @returns false when the slot holds another writer's batch */
  #createSlot(batch: Batch, bytes: Uint8Array, deadline: number, members: readonly Waiting[]): Promise<boolean> {
    const key = slotKey(this.#repo, batch.seq);
    const written = members.flatMap(({ command }) => command.written ?? []);
    return this.#untilAnswered(
      deadline,
      async () => (await this.#ports.driver.create(key, bytes, written)) === 'created' || (await this.#isMine(batch)),
    );
  }

  /** @throws RegistryError `unavailable` at the deadline */
  #untilAnswered<T>(deadline: number, work: () => Promise<T>): Promise<T> {
    const isResult = (error: unknown): boolean => error instanceof NotDurable;
    return untilAnswered(work, { ...this.#ports, deadline, isResult, unconfirmed });
  }

  async #isMine(batch: Batch): Promise<boolean> {
    const slot = await readSlot(this.#ports.driver, this.#repo, batch.seq);
    if (slot === undefined) throw new Error('the slot is taken but cannot be read');
    await this.#ports.driver.confirm(slotKey(this.#repo, batch.seq));
    return slot.batch.batch === batch.batch;
  }
}

/** Rejects the command if its bytes did not become durable. */
function isRefused({ command: { written }, reject }: Waiting, { reasons }: NotDurable): boolean {
  if (written === undefined || !reasons.has(written)) return false;
  reject(reasons.get(written));
  return true;
}

function unconfirmed(cause?: unknown): RegistryError {
  return new RegistryError('unavailable', 'the write was not confirmed in time: try again', undefined, cause);
}

/** Estimated size of an event in its slot, which bounds a batch. */
function sizeOf(event: JournalEvent): number {
  if (event.type !== 'manifest.put') return 500;
  let size = 1_000 + (event.artifactType?.length ?? 0);
  for (const ref of event.refs) size += ref.length + 3;
  for (const [key, value] of Object.entries(event.annotations ?? {})) size += key.length + value.length + 8;
  return size;
}
