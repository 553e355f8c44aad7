import { LRUCache } from 'lru-cache';
import { RepositoryState } from '../journal/fold.ts';
import {
  applySlot,
  nearestSnapshot,
  READ_AHEAD,
  readSlot,
  readSlotTime,
  type Slot,
  slotsAfter,
} from '../journal/log.ts';
import { newestSlot } from '../journal/newest-slot.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { SlotsShown } from '../projection/projection.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import type { StoreReader } from '../storage/driver.ts';
import { slotKey } from '../storage/paths.ts';
import { Semaphore } from '../system/semaphore.ts';
import { SharedRuns } from '../system/shared-runs.ts';
import { formatTime, type Moment } from './moment.ts';
import { CLOCK_DIFFERENCE_MS, slotBeforeIn } from './slot-times.ts';

/** A repository as it was after its slot `seq`. */
export interface PastState {
  /** Shared with other requests, so it must not be modified. `seq` is 0 before the first slot. */
  readonly state: RepositoryState;
  /** Time of that slot, ISO 8601; undefined before the first slot. */
  readonly time: string | undefined;
}

export interface PastStatesPorts {
  readonly driver: StoreReader;
  readonly views: SlotsShown;
  /** Milliseconds. */
  readonly now: () => number;
  /** Awaited after each piece of work that takes a few milliseconds at most. Lets other requests run when it is time for that. */
  readonly yieldToRequests: () => Promise<void>;
  /** Estimated bytes of memory for folded states. */
  readonly memory: number;
}

/** States folded at the same time, of the present and of the past each, because each takes memory. */
const MAX_FOLDS = 2;
/** A moment counts as over this many milliseconds after its end: until then a write that was acknowledged in it may still be found. */
export const SETTLED_MS = CLOCK_DIFFERENCE_MS + 30_000;
/** A longer fold is given up, in milliseconds. */
const MAX_FOLD_MS = 60_000;
/** Moments whose slot is remembered. */
const MAX_MOMENTS = 10_000;
/** Slots whose time is remembered. */
const MAX_TIMES = 50_000;
/** Slots whose times are compared with a moment that is hardly over, to use a state that is remembered. */
const MAX_NEW_SLOTS = 256;

/**
 * Folds repositories up to moments of the past, each from the nearest snapshot. States are remembered as far as the memory goes,
 * because a moment that is over never changes.
 */
export class PastStates {
  readonly #ports: PastStatesPorts;
  readonly #states: LRUCache<string, PastState>;
  /** The newest slot of each repository when it was last looked for. */
  readonly #heads = new LRUCache<RepositoryName, number>({ max: MAX_MOMENTS });
  /** The slot of each moment that is over. */
  readonly #slots = new LRUCache<string, number>({ max: MAX_MOMENTS });
  /** The slot of each moment when it was last asked for. Slots that were written since may belong to one that is not over. */
  readonly #tried = new LRUCache<string, number>({ max: MAX_MOMENTS });
  /** Times of slots, in milliseconds: those that a search for a moment looks at are the same each time. */
  readonly #times = new LRUCache<string, number>({ max: MAX_TIMES });
  readonly #folding = new Map<string, Promise<PastState>>();
  readonly #present = new SharedRuns<RepositoryName, PastState>();
  readonly #unsettled = new SharedRuns<string, PastState>();
  /** Separate, because most of who needs the past needs the present then: a queue for both would fill up with complete states. */
  readonly #permits = { past: new Semaphore(MAX_FOLDS), present: new Semaphore(MAX_FOLDS) };

  constructor(ports: PastStatesPorts) {
    this.#ports = ports;
    this.#states = new LRUCache({
      maxSize: Math.max(1, ports.memory),
      sizeCalculation: ({ state }) => state.weight,
    });
  }

  /** Estimated bytes of memory of the remembered states. */
  get weight(): number {
    return this.#states.calculatedSize;
  }

  /**
   * The repository after its last slot at or before the moment: all slots before the first one that is later.
   * @param moment undefined: now
   * @returns a promise only if the store must be read
   * @throws RegistryError `request-invalid` for a moment that is not over or a slot that does not exist; `log-broken`, `unavailable`
   */
  at(repo: RepositoryName, moment: Moment | undefined): PastState | Promise<PastState> {
    if (moment === undefined) return this.#now(repo);
    if (moment.kind === 'time' && moment.until - 999 > this.#ports.now()) {
      throw new RegistryError('request-invalid', `${formatTime(moment.until)} is not in the past`);
    }
    const name = moment.kind === 'slot' ? `${repo}@${moment.seq}` : `${repo}@until ${moment.until}`;
    const seq = moment.kind === 'slot' ? moment.seq : this.#slots.get(name);
    const known = seq === undefined ? undefined : this.#states.get(`${repo}@${seq}`);
    if (known !== undefined) return known;
    const fold = (): Promise<PastState> => this.#fold(repo, moment);
    // A fold that runs may have read past a slot that was written since and belongs to the moment.
    return this.#isSettled(moment) ? this.#once(name, fold) : this.#unsettled.run(name, fold);
  }

  /** The last slot that a repository has now; 0 if there is none. It is shown by all nodes from then on. */
  async newestSlot(repo: RepositoryName): Promise<number> {
    const { driver, views } = this.#ports;
    const exists = async (seq: number): Promise<boolean> => (await driver.head(slotKey(repo, seq))) !== undefined;
    const seq = await newestSlot(exists, this.#heads.get(repo) ?? 0);
    await views.shown(repo, seq);
    return seq;
  }

  async #now(repo: RepositoryName): Promise<PastState> {
    const known = await this.#unchanged(repo);
    // A fold that runs does not count, because a slot may have been written since it began to read. Often none was.
    return (
      known ?? (await this.#present.run(repo, async () => (await this.#unchanged(repo)) ?? this.#fold(repo, undefined)))
    );
  }

  /** The newest state that is remembered, if it has all slots. */
  async #unchanged(repo: RepositoryName): Promise<PastState | undefined> {
    const seq = this.#heads.get(repo) ?? 0;
    const known = this.#states.get(`${repo}@${seq}`);
    if (known === undefined) return undefined;
    return (await readSlot(this.#ports.driver, repo, seq + 1)) === undefined ? known : undefined;
  }

  /** Whether no slot that is written from now on belongs to it. */
  #isSettled(moment: Moment): boolean {
    return moment.kind === 'slot' || moment.until + SETTLED_MS < this.#ports.now();
  }

  #once(name: string, fold: () => Promise<PastState>): Promise<PastState> {
    const running = this.#folding.get(name);
    if (running !== undefined) return running;
    const folding = fold().finally(() => this.#folding.delete(name));
    this.#folding.set(name, folding);
    return folding;
  }

  async #fold(repo: RepositoryName, moment: Moment | undefined): Promise<PastState> {
    const deadline = AbortSignal.timeout(MAX_FOLD_MS);
    const permits = moment === undefined ? this.#permits.present : this.#permits.past;
    const release = await permits.acquire(deadline).catch(() => {
      throw tooLong(repo);
    });
    try {
      // Before the log is read: what is written to a moment after that is not in the state.
      const wasSettled = moment !== undefined && this.#isSettled(moment);
      const { past, isHead } = await this.#read(repo, moment, deadline);
      const { seq } = past.state;
      if (isHead) {
        await this.#ports.views.shown(repo, seq);
        this.#heads.set(repo, seq);
      }
      if (moment?.kind === 'slot' && seq < moment.seq) {
        if (seq === 0) throw nameUnknown(repo);
        throw new RegistryError('request-invalid', `the log of ${repo} ends at slot ${seq}`, { seq });
      }
      // The state at the end of the log is not kept for a moment that is not over: it may grow by slots that belong to it.
      if (moment?.kind === 'time') {
        const name = `${repo}@until ${moment.until}`;
        this.#tried.set(name, seq);
        if (!isHead || wasSettled) this.#slots.set(name, seq);
      }
      this.#states.set(`${repo}@${seq}`, past);
      return past;
    } finally {
      release();
    }
  }

  async #read(
    repo: RepositoryName,
    moment: Moment | undefined,
    deadline: AbortSignal,
  ): Promise<{ readonly past: PastState; readonly isHead: boolean }> {
    const { driver, yieldToRequests } = this.#ports;
    const upTo = await this.#lastKnownSlot(repo, moment);
    const remembered = await this.#remembered(repo, moment, upTo);
    if (remembered !== undefined) return remembered;
    const state =
      upTo === 0 ? new RepositoryState() : (await nearestSnapshot(driver, repo, upTo, yieldToRequests)).state;
    let time = state.seq === 0 ? undefined : await timeOf(driver, repo, state.seq);
    if (moment?.kind === 'slot' && state.seq === moment.seq) return { past: { state, time }, isHead: false };
    for await (const slot of slotsAfter(driver, repo, state.seq, READ_AHEAD)) {
      if (isLater(slot, moment)) return { past: { state, time }, isHead: false };
      applySlot(repo, state, slot);
      time = slot.batch.at;
      await yieldToRequests();
      if (deadline.aborted) throw tooLong(repo);
    }
    return { past: { state, time }, isHead: true };
  }

  /** Times between two slots have the same state: visitors can name any second. @param upTo as #lastKnownSlot returns it */
  async #remembered(
    repo: RepositoryName,
    moment: Moment | undefined,
    upTo: number | undefined,
  ): Promise<{ readonly past: PastState; readonly isHead: boolean } | undefined> {
    if (moment?.kind !== 'time') return undefined;
    const past = this.#states.get(`${repo}@${upTo}`);
    if (past === undefined) return undefined;
    const next = await readSlot(this.#ports.driver, repo, past.state.seq + 1);
    if (next === undefined) return { past, isHead: true };
    return isLater(next, moment) ? { past, isHead: false } : undefined;
  }

  /** A slot that is at or before the moment. undefined: every slot is. */
  async #lastKnownSlot(repo: RepositoryName, moment: Moment | undefined): Promise<number | undefined> {
    if (moment?.kind !== 'time') return moment?.seq;
    const { until } = moment;
    const tried = this.#tried.get(`${repo}@until ${until}`);
    if (tried !== undefined) return tried;
    return await slotBeforeIn((seq) => this.#timeOf(repo, seq), until, await this.#headBefore(repo, until));
  }

  /** The newest slot that is remembered, if every slot up to it is known to be at or before the time; else 0. */
  async #headBefore(repo: RepositoryName, until: number): Promise<number> {
    const head = this.#heads.get(repo) ?? 0;
    if (!this.#states.has(`${repo}@${head}`)) return 0;
    for (let seq = head; seq > head - MAX_NEW_SLOTS; seq--) {
      const time = seq === 0 ? Number.NEGATIVE_INFINITY : await this.#timeOf(repo, seq);
      if (time === undefined || time > until) return 0;
      // The slots before it are not later than the moment either, however much the clocks of the nodes differ.
      if (time <= until - CLOCK_DIFFERENCE_MS) return head;
    }
    return 0;
  }

  async #timeOf(repo: RepositoryName, seq: number): Promise<number | undefined> {
    const name = `${repo}@${seq}`;
    const known = this.#times.get(name);
    if (known !== undefined) return known;
    const time = await readSlotTime(this.#ports.driver, repo, seq);
    // A slot that does not exist may be written at any time.
    if (time !== undefined) this.#times.set(name, time);
    return time;
  }
}

function isLater({ batch }: Slot, moment: Moment | undefined): boolean {
  switch (moment?.kind) {
    case 'slot':
      return batch.seq > moment.seq;
    case 'time':
      return Date.parse(batch.at) > moment.until;
    case undefined:
      return false;
  }
}

async function timeOf(driver: StoreReader, repo: RepositoryName, seq: number): Promise<string | undefined> {
  return (await readSlot(driver, repo, seq))?.batch.at;
}

function tooLong(repo: RepositoryName): RegistryError {
  return new RegistryError('unavailable', `reading the past of ${repo} takes too long now: try again`);
}
