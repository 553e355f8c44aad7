import type { RepositoryState } from '../journal/fold.ts';
import { foldUpTo, type Slot, slotsAfter } from '../journal/log.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Steps } from '../oci/strict-json.ts';
import { slotBefore } from '../past/slot-times.ts';
import type { Answer, Page } from '../projection/projection.ts';
import type { StoreReader } from '../storage/driver.ts';
import type { IndexWriter } from './index-writer.ts';
import { readFacts } from './manifest-facts.ts';

/** Tells which repositories may have new slots. */
export interface ChangeSource {
  /** Must be called before the log of a repository is read for the first time. */
  follow(repo: RepositoryName): void;
  /** The repositories that may have new slots since the last call. @returns undefined if all must be listed */
  take(): readonly RepositoryName[] | undefined;
}

export interface IndexerPorts {
  readonly writer: IndexWriter;
  readonly changes: ChangeSource;
  readonly driver: StoreReader;
  /** How many slots are read ahead: 1, or READ_AHEAD for a remote store. */
  readonly ahead: number;
  /** A page of the existing repositories. */
  readonly repositories: (after: string | undefined, limit: number) => Answer<Page<RepositoryName>>;
  /** Whether there is room for more on the disk. */
  readonly hasRoom: () => boolean;
  /** Milliseconds. */
  readonly now: () => number;
  /** Lets requests run, for as long as they need. */
  readonly yieldToRequests: () => Promise<void>;
  /** Called with the failure of one repository, or of the listing. The work goes on. */
  readonly failed: (error: unknown, repo?: RepositoryName) => void;
}

const PAGE_SIZE = 1_000;
/** Slots that one transaction applies. */
const MAX_BATCH = 64;
/**
 * Repositories that are put into the index by one transaction when all are looked at. A commit writes every page that was changed, and
 * digests are spread over all pages.
 */
const MAX_TOGETHER = 100;
/** Manifests that are read for one transaction. */
const MAX_READS = 100;
/** After a failure all repositories are looked at again, in milliseconds. */
const RETRY_MS = 5 * 60_000;
/** Pushes are counted for so long; what is older is taken from the state at that time. */
const COUNTED_MS = 31 * 24 * 3_600_000;
/** Milliseconds of work between two calls of `yieldToRequests`. */
const BUSY_MS = 2;
/** Slots that are read to find out who pushed last, if that was long ago. */
const MAX_LOOKED = 200;

interface Waiter {
  /** All changes up to this one must be in the index, and all repositories that existed at the start. */
  readonly ticket: number;
  readonly resolve: () => void;
}

/**
 * Keeps the index up to date with the logs, one repository after another: first those that have changed, then those that were not
 * looked at yet, then the bytes of manifests.
 */
export class Indexer {
  readonly #ports: IndexerPorts;
  /** Repositories that have changed, in the order in which they did, each with the ticket of its change. */
  readonly #changed = new Map<RepositoryName, number>();
  readonly #waiters = new Set<Waiter>();
  #tickets = 0;
  /** All changes up to this ticket are in the index. */
  #settled = 0;
  #listing: AsyncIterator<RepositoryName> | undefined;
  #isComplete = false;
  #hasUnread = true;
  /** Repositories that the open transaction has changed; there is none open if it is empty. */
  readonly #uncommitted = new Set<RepositoryName>();
  #retry: Timer | undefined;
  #wake: (() => void) | undefined;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(ports: IndexerPorts) {
    this.#ports = ports;
  }

  /** Whether every repository that existed at the start is in the index. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether nothing is left to do. */
  get isIdle(): boolean {
    return this.#isComplete && this.#changed.size === 0 && !this.#hasUnread;
  }

  /** Begins, or looks at every repository again, to find writes that were not reported. */
  start(): void {
    this.#listing = this.#listed();
    this.#wake?.();
    this.#running ??= this.#run();
  }

  /** A repository may have new slots. */
  changed(repo: RepositoryName): void {
    if (!this.#changed.has(repo)) this.#changed.set(repo, ++this.#tickets);
    this.#wake?.();
  }

  /** Looks which repositories have changed. */
  look(): void {
    const changed = this.#ports.changes.take();
    if (changed === undefined) this.start();
    for (const repo of changed ?? []) this.changed(repo);
  }

  /**
   * Resolves when everything that was written before is in the index, or after this time.
   * @param within milliseconds
   * @returns whether it is
   */
  async caughtUp(within: number): Promise<boolean> {
    this.look();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { ticket: this.#tickets, resolve };
    if (this.#isDone(waiter)) return true;
    const late = setTimeout(resolve, within);
    this.#waiters.add(waiter);
    try {
      await promise;
    } finally {
      clearTimeout(late);
      this.#waiters.delete(waiter);
    }
    return this.#isDone(waiter);
  }

  async close(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#wake?.();
    await this.#running;
    this.#ports.writer.rollback();
    for (const { resolve } of this.#waiters) resolve();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const [next] = this.#changed;
      if (next !== undefined) await this.#followChange(...next);
      else if (this.#listing !== undefined) await this.#followListed(this.#listing);
      else if (this.#hasUnread) await this.#readManifests();
      else await this.#sleep();
    }
  }

  async #followChange(repo: RepositoryName, ticket: number): Promise<void> {
    // Changes from here on need another look.
    this.#changed.delete(repo);
    await this.#tryToFollow(repo);
    this.#tryToCommit();
    this.#settled = ticket;
    this.#answer();
  }

  #isDone({ ticket }: Waiter): boolean {
    return this.#isComplete && this.#settled >= ticket;
  }

  #answer(): void {
    for (const waiter of this.#waiters) if (this.#isDone(waiter)) waiter.resolve();
  }

  async #followListed(listing: AsyncIterator<RepositoryName>): Promise<void> {
    try {
      const { done, value } = await listing.next();
      if (done !== true) {
        await this.#tryToFollow(value);
        if (this.#uncommitted.size >= MAX_TOGETHER) this.#tryToCommit();
        return;
      }
      this.#tryToCommit();
      // What a failure has undone comes first.
      if (this.#changed.size > 0) return;
      this.#isComplete = true;
      this.#answer();
    } catch (error) {
      this.#failed(error);
    }
    // A newer listing may have begun.
    if (this.#listing === listing) this.#listing = undefined;
  }

  async *#listed(): AsyncGenerator<RepositoryName, undefined> {
    let after: string | undefined;
    for (;;) {
      const { items, more } = await this.#ports.repositories(after, PAGE_SIZE);
      yield* items;
      after = items.at(-1);
      if (!more || after === undefined) return undefined;
    }
  }

  async #tryToFollow(repo: RepositoryName): Promise<void> {
    const { hasRoom, changes } = this.#ports;
    changes.follow(repo);
    try {
      if (!hasRoom()) throw new Error('the disk is almost full: the index of repositories is not updated');
      await this.#follow(repo);
    } catch (error) {
      this.#undo(error, repo);
    }
  }

  #begin(repo: RepositoryName): void {
    if (this.#uncommitted.size === 0) this.#ports.writer.begin();
    this.#uncommitted.add(repo);
  }

  #tryToCommit(): void {
    if (this.#uncommitted.size === 0) return;
    try {
      this.#ports.writer.commit();
      this.#uncommitted.clear();
    } catch (error) {
      this.#undo(error);
    }
  }

  /** Other repositories of the transaction are followed again; all of them after a while, if it cannot be committed. */
  #undo(error: unknown, repo?: RepositoryName): void {
    const undone = [...this.#uncommitted];
    this.#uncommitted.clear();
    this.#ports.writer.rollback();
    if (repo !== undefined) for (const each of undone) if (each !== repo) this.changed(each);
    this.#failed(error, repo);
  }

  #failed(error: unknown, repo?: RepositoryName): void {
    this.#ports.failed(error, repo);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.start();
    }, RETRY_MS);
  }

  async #follow(repo: RepositoryName): Promise<void> {
    const { writer, driver, ahead, yieldToRequests } = this.#ports;
    if (writer.seqOf(repo) === 0) await this.#restore(repo);
    const slots: Slot[] = [];
    for await (const slot of slotsAfter(driver, repo, writer.seqOf(repo), ahead)) {
      slots.push(slot);
      if (slots.length === MAX_BATCH) await this.#apply(repo, slots.splice(0));
      if (this.#isStopped) return;
    }
    await this.#apply(repo, slots);
    await yieldToRequests();
  }

  /** Takes what is older than the pushes that are counted from the state at that time. */
  async #restore(repo: RepositoryName): Promise<void> {
    const { writer, driver, ahead, now } = this.#ports;
    const seq = await slotBefore(driver, repo, now() - COUNTED_MS, 0);
    if (seq === 0) return;
    const state = await foldUpTo(driver, repo, seq, ahead);
    this.#begin(repo);
    await this.#do(writer.restore(repo, state));
    writer.setPusher(repo, await this.#lastPusher(repo, state));
    this.#hasUnread = true;
  }

  async #lastPusher(repo: RepositoryName, state: RepositoryState): Promise<string | undefined> {
    const { driver, ahead } = this.#ports;
    let last = 0;
    for (const { at } of state.manifests.values()) last = Math.max(last, at);
    for (const at of state.tagTimes.values()) last = Math.max(last, at);
    if (last === 0) return undefined;
    let looked = 0;
    for await (const { batch } of slotsAfter(driver, repo, await slotBefore(driver, repo, last, 0), ahead)) {
      const isIt = Date.parse(batch.at) === last;
      const push = batch.events.find(({ type }) => type === 'tag.set' || type === 'manifest.put');
      if (isIt && push !== undefined) return push.actor;
      if (++looked === MAX_LOOKED || batch.seq >= state.seq) break;
    }
    return undefined;
  }

  async #apply(repo: RepositoryName, slots: readonly Slot[]): Promise<void> {
    if (slots.length === 0) return;
    this.#begin(repo);
    for (const { batch } of slots) await this.#do(this.#ports.writer.apply(batch));
    this.#hasUnread = true;
  }

  async #readManifests(): Promise<void> {
    const { writer, driver, yieldToRequests } = this.#ports;
    const unread = writer.unread(MAX_READS);
    this.#hasUnread = unread.length > 0;
    const find = writer.incarnationOf.bind(writer);
    let repo: RepositoryName | undefined;
    try {
      for (const manifest of unread) {
        if (this.#changed.size > 0 || this.#isStopped) break;
        repo = writer.nameOf(manifest.repo);
        const facts = await readFacts(manifest, { driver, find });
        if (repo !== undefined) this.#begin(repo);
        writer.setFacts(manifest, facts);
        await yieldToRequests();
      }
    } catch (error) {
      this.#undo(error);
      // The store does not answer now. The next change tries again.
      this.#hasUnread = false;
    }
    this.#tryToCommit();
  }

  async #do(steps: Steps<void>): Promise<void> {
    const { yieldToRequests } = this.#ports;
    let since = performance.now();
    while (steps.next().done !== true) {
      if (performance.now() - since < BUSY_MS) continue;
      await yieldToRequests();
      since = performance.now();
    }
  }

  async #sleep(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}
