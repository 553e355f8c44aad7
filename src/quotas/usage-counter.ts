import { forEachConcurrently } from '../collection/concurrently.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Answer, Page } from '../projection/projection.ts';
import type { Ledger } from './ledger.ts';

/** Where usage is read from. */
export interface CountedStore {
  /** A page of the existing repositories after `after`, in ASCII order. */
  repositories(after: string | undefined, limit: number): Answer<Page<RepositoryName>>;
  /** Existence and newest slot, which are cheaper to read than the usage. */
  newest(repo: RepositoryName): Promise<Pick<RepositoryUsage, 'exists' | 'seq'>>;
  usage(repo: RepositoryName): Promise<RepositoryUsage>;
}

/** How the store is shared, which determines how often it must be counted. */
export type Sharing =
  /** Only this process writes, and the ledger is updated with every slot that it applies. */
  | { readonly kind: 'alone' }
  /** The ledger is updated with every slot that this process applies, but others may write. @property everyMs between two full counts */
  | { readonly kind: 'sometimes'; readonly everyMs: number }
  /**
   * Others write all the time, and applied slots do not update the ledger. A repository is counted after this process has written to it.
   * @property pauseMs from a write to the count of its repository
   */
  | { readonly kind: 'always'; readonly everyMs: number; readonly pauseMs: number };

export interface UsageCounterPorts {
  readonly store: CountedStore;
  readonly sharing: Sharing;
  readonly ledger: Ledger;
  readonly now: () => number;
  /** Resolves early, without an error, when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Called when a count fails. The ledger may be out of date until a later count succeeds. */
  readonly failed: (error: unknown) => void;
  /** Called when all repositories have been counted for the first time since `countAll`. */
  readonly counted: (repositories: number) => void;
}

const PAGE_SIZE = 1_000;
const COUNT_CONCURRENCY = 8;
/**
 * A full count is followed by a pause of at least this many times its duration, so that counting takes at most a twentieth of the
 * time.
 */
const IDLE_FACTOR = 19;
const RETRY_MS = 10_000;

/** Keeps a ledger up to date with the logs. Only requests that would otherwise be refused wait for a count. */
export class UsageCounter {
  readonly #ports: UsageCounterPorts;
  readonly #stop = new AbortController();
  /** Repositories with a scheduled count. */
  readonly #waiting = new Set<RepositoryName>();
  readonly #running = new Set<Promise<void>>();
  #round = new AbortController();
  #isComplete = false;

  constructor(ports: UsageCounterPorts) {
    this.#ports = ports;
  }

  /** Whether every repository that a quota matches has been counted. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Counts all repositories that match a quota, and repeats that if others write too. Ends the rounds of an earlier call. */
  countAll(): void {
    this.#round.abort();
    this.#round = new AbortController();
    this.#isComplete = false;
    this.#track(this.#rounds(AbortSignal.any([this.#stop.signal, this.#round.signal])));
  }

  /** Counts one repository up to its newest slot. */
  async count(repo: RepositoryName): Promise<void> {
    const { store, ledger } = this.#ports;
    // Finished writes already have their slots, so the count includes them.
    const finished = ledger.finished(repo);
    ledger.count(repo, await store.usage(repo));
    for (const reservation of finished) reservation.release();
  }

  /**
   * Must be called when this process has, or may have, written to a repository.
   * @returns whether the ledger already includes the write; if not, the repository is counted soon
   */
  written(repo: RepositoryName): boolean {
    const { sharing } = this.#ports;
    if (sharing.kind !== 'always') return true;
    if (!this.#waiting.has(repo)) {
      this.#waiting.add(repo);
      this.#track(this.#countSoon(repo, sharing.pauseMs));
    }
    return false;
  }

  /** Stops counting. */
  async close(): Promise<void> {
    this.#stop.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #countSoon(repo: RepositoryName, pauseMs: number): Promise<void> {
    for (let pause = pauseMs; !this.#stop.signal.aborted; pause = RETRY_MS) {
      await this.#ports.sleep(pause, this.#stop.signal);
      // Writes from here on need another count.
      this.#waiting.delete(repo);
      if (this.#stop.signal.aborted) return;
      try {
        await this.count(repo);
        return;
      } catch (error) {
        this.#ports.failed(error);
        if (this.#waiting.has(repo)) return;
        this.#waiting.add(repo);
      }
    }
  }

  async #rounds(signal: AbortSignal): Promise<void> {
    const { sharing, now, sleep, failed, counted } = this.#ports;
    while (!signal.aborted) {
      const begin = now();
      let everyMs = RETRY_MS;
      try {
        const repositories = await this.#countEvery(signal);
        if (signal.aborted) return;
        if (!this.#isComplete) counted(repositories);
        this.#isComplete = true;
        if (sharing.kind === 'alone') return;
        everyMs = sharing.everyMs;
      } catch (error) {
        failed(error);
      }
      await sleep(Math.max(everyMs, (now() - begin) * IDLE_FACTOR), signal);
    }
  }

  /** @returns the number of existing repositories that match a quota */
  async #countEvery(signal: AbortSignal): Promise<number> {
    const { ledger } = this.#ports;
    const listed = new Set<RepositoryName>();
    await forEachConcurrently(this.#matching(signal), COUNT_CONCURRENCY, async (repo) => {
      listed.add(repo);
      await this.#countIfMoved(repo);
    });
    if (signal.aborted) return listed.size;
    // A repository that is not listed was deleted, or is newer than the list.
    for (const repo of [...ledger.existing()]) if (!listed.has(repo)) await this.count(repo);
    return listed.size;
  }

  async *#matching(signal: AbortSignal): AsyncIterable<RepositoryName> {
    const { store, ledger } = this.#ports;
    let after: string | undefined;
    for (;;) {
      const { items, more } = await store.repositories(after, PAGE_SIZE);
      for (const repo of items) {
        if (signal.aborted) return;
        if (ledger.limits(repo)) yield repo;
      }
      after = items.at(-1);
      if (!more || after === undefined) return;
    }
  }

  async #countIfMoved(repo: RepositoryName): Promise<void> {
    const known = this.#ports.ledger.counted(repo);
    if (known !== undefined) {
      const { exists, seq } = await this.#ports.store.newest(repo);
      if (exists === known.exists && seq === known.seq) return;
    }
    await this.count(repo);
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }
}
