import type { Cursor } from '../feed/cursor.ts';
import type { Feed, Since } from '../feed/feed.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import { delayAfter } from './backoff.ts';
import { type Pending, splitExpired } from './delivery.ts';
import type { Order } from './orders.ts';
import type { DescribedPage, Pages } from './pages.ts';
import { Progress, type ProgressPorts } from './progress.ts';
import { afterRound, type RoundPorts, sendRound } from './round.ts';
import type { WebhookState } from './state.ts';
import type { Webhook } from './webhook.ts';

/** How long a webhook without anything to do waits before it looks again, in milliseconds. */
const LOOK_EVERY_MS = 60_000;
/** How long to wait after the store or the feed failed, in milliseconds. */
const RETRY_STORE_MS = 5_000;
/** Orders whose ids are remembered: a crash may leave one in the store that has been carried out. */
const KEPT_ORDERS = 20;
/** Where a webhook begins again whose cursor the feed does not know: this long before the cursor was stored, in milliseconds. */
const BACK_MS = 10 * 60_000;

export interface RunnerPorts extends RoundPorts, ProgressPorts {
  readonly feed: Pick<Feed, 'start' | 'wait'>;
  readonly pages: Pick<Pages, 'after'>;
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
  /** An outage of the receiver begins or ends. */
  readonly onHealth: (failing: { readonly reason: string } | undefined) => void;
  /** Changes that became too old were skipped. */
  readonly onSkipped: (count: number) => void;
  /** The store or the feed failed; it is tried again. */
  readonly failed: (error: unknown) => void;
  /** The stored cursor is not one of this feed. */
  readonly onCursorLost: (error: RegistryError) => void;
}

/** What a webhook is doing. */
export interface RunnerStatus extends WebhookState {
  /** Time of the oldest change that it has not delivered, ISO 8601; undefined if there is none. */
  readonly oldest: string | undefined;
}

interface PlacedOrder {
  readonly id: string;
  readonly action: Order['action'];
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Delivers the changes of one webhook: reads the feed from its cursor, sends what it wants, and moves the cursor when the receiver has
 * acknowledged it. The cursor is stored after that, so every change is delivered at least once.
 */
export class Runner {
  readonly #webhook: Webhook;
  readonly #ports: RunnerPorts;
  /** undefined until it is loaded. */
  #progress: Progress | undefined;
  #oldest: string | undefined;
  #orders: PlacedOrder[] = [];
  /** Aborted to carry out an order. */
  #cycle = new AbortController();
  #hasEnded = false;

  constructor(webhook: Webhook, ports: RunnerPorts) {
    this.#webhook = webhook;
    this.#ports = ports;
  }

  /** undefined until the state is loaded. */
  get status(): RunnerStatus | undefined {
    return this.#progress && { ...this.#progress.state, oldest: this.#oldest };
  }

  /** Works until the signal is aborted; then it stores how far it got. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let isFailing = false;
    while (!signal.aborted) {
      this.#cycle = new AbortController();
      const cycle = AbortSignal.any([signal, this.#cycle.signal]);
      try {
        this.#progress ??= await Progress.load(this.#webhook, this.#ports);
        await this.#carryOutOrders(this.#progress);
        if (!cycle.aborted) await this.#work(this.#progress, cycle);
        isFailing = false;
      } catch (error) {
        if (cycle.aborted) continue;
        if (!isFailing) this.#ports.failed(error);
        isFailing = true;
        await this.#ports.sleep(RETRY_STORE_MS, cycle);
      }
    }
    try {
      await this.#progress?.save();
    } catch (error) {
      this.#ports.failed(error);
    }
    this.#hasEnded = true;
    for (const { done } of this.#orders) done.reject(stoppedError());
  }

  /** Resolves once the order is carried out and that is stored. @throws Error if the webhook is stopped before */
  async carryOut(id: string, action: Order['action']): Promise<void> {
    if (this.#hasEnded) throw stoppedError();
    const done = Promise.withResolvers<void>();
    this.#orders.push({ id, action, done });
    this.#cycle.abort();
    await done.promise;
  }

  async #carryOutOrders(progress: Progress): Promise<void> {
    let { state } = progress;
    for (const { id, action } of this.#orders) {
      if (state.orders.includes(id)) continue;
      state = { ...(await this.#ordered(state, action)), orders: [...state.orders, id].slice(-KEPT_ORDERS) };
    }
    if (state !== progress.state) {
      progress.update(state);
      await progress.save();
    }
    for (const { done } of this.#orders.splice(0)) done.resolve();
  }

  async #ordered(state: WebhookState, action: Order['action']): Promise<WebhookState> {
    switch (action.kind) {
      case 'pause':
      case 'resume':
        return { ...state, isPaused: action.kind === 'pause' };
      case 'replay': {
        const { failing: _, ...rest } = state;
        return { ...rest, cursor: await this.#startAt(action.since, state), startedAt: this.#ports.now() };
      }
      default:
        return unreachable(action);
    }
  }

  /** A cursor that the feed does not know changes nothing. */
  async #startAt(since: Since, { cursor }: WebhookState): Promise<Cursor> {
    try {
      return await this.#ports.feed.start(since);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      this.#ports.onCursorLost(error);
      return cursor;
    }
  }

  /** Delivers one page, or waits for one. */
  async #work(progress: Progress, signal: AbortSignal): Promise<void> {
    const { feed, steadyNow, sleep } = this.#ports;
    const { cursor, isPaused } = progress.state;
    const page = await this.#page(progress);
    if (page === undefined) return;
    if (isPaused) {
      this.#oldest = this.#wanted(page)[0]?.change.time;
      await sleep(LOOK_EVERY_MS, signal);
      return;
    }
    if (page.cursor !== cursor) await this.#deliver(page, progress, signal);
    if (page.more || signal.aborted) return;
    await feed.wait(page.cursor, { until: Math.min(progress.saveAt, steadyNow() + LOOK_EVERY_MS), signal });
    await progress.saveInTime();
  }

  #wanted({ changes }: DescribedPage): readonly Pending[] {
    const { repositories, events } = this.#webhook;
    return changes.flatMap((change, index) =>
      events.has(change.type) && repositories.matches(change.repository) ? [{ change, index }] : [],
    );
  }

  /** @returns undefined if the feed did not know the cursor, which has been replaced */
  async #page(progress: Progress): Promise<DescribedPage | undefined> {
    const { pages, feed } = this.#ports;
    try {
      return await pages.after(progress.state.cursor);
    } catch (error) {
      if (!(error instanceof RegistryError) || (error.kind !== 'cursor-invalid' && error.kind !== 'cursor-unknown'))
        throw error;
      this.#ports.onCursorLost(error);
      const { state } = progress;
      progress.update({ ...state, cursor: await feed.start({ kind: 'time', at: state.storedAt - BACK_MS }) });
      await progress.save();
      return undefined;
    }
  }

  /** Sends what the webhook wants of a page. Returns when all of it was acknowledged or skipped, or the signal is aborted. */
  async #deliver(page: DescribedPage, progress: Progress, signal: AbortSignal): Promise<void> {
    const { sleep, random } = this.#ports;
    let pending = this.#wanted(page);
    /** Changes of the page that the cursor has passed. */
    let passed = 0;
    for (;;) {
      pending = this.#skipExpired(pending, progress);
      this.#oldest = pending[0]?.change.time;
      if (pending.length === 0) break;
      const acknowledged = await this.#attemptRound(pending, progress, signal);
      pending = pending.filter((each) => !acknowledged.has(each));
      const [first] = pending;
      // The cursor never passes a change that the receiver has not acknowledged, except those that became too old. It passes the end of
      // the page with the last of them: what is stored now must not deliver that one again.
      if (first === undefined) {
        progress.update({ ...progress.state, cursor: page.cursor });
      } else if (first.index > passed) {
        passed = first.index;
        progress.update({ ...progress.state, cursor: page.cursorAfter(passed - 1) });
      }
      if (signal.aborted && first !== undefined) return;
      await progress.saveInTime();
      const { failing } = progress.state;
      if (failing !== undefined) await sleep(delayAfter(failing.attempts, random()), signal);
      if (signal.aborted && first !== undefined) return;
    }
    if (progress.state.cursor !== page.cursor) progress.pass({ ...progress.state, cursor: page.cursor });
  }

  /** What was there when the webhook began counts as if it had happened then. */
  #skipExpired(pending: readonly Pending[], progress: Progress): readonly Pending[] {
    const { state } = progress;
    const before = this.#ports.now() - this.#webhook.maxAge;
    if (state.startedAt >= before) return pending;
    const split = splitExpired(pending, before);
    if (split.expired === 0) return pending;
    const totals = { ...state.totals, skipped: state.totals.skipped + split.expired };
    progress.update({ ...state, unreported: state.unreported + split.expired, totals });
    this.#ports.onSkipped(split.expired);
    return split.pending;
  }

  /** @returns what was acknowledged */
  async #attemptRound(
    pending: readonly Pending[],
    progress: Progress,
    signal: AbortSignal,
  ): Promise<ReadonlySet<Pending>> {
    const { now, onHealth } = this.#ports;
    const before = progress.state;
    const round = await sendRound(this.#webhook, pending, before, this.#ports, signal);
    const after = afterRound(before, round, now());
    if (after !== before) progress.update(after);
    if ((after.failing === undefined) !== (before.failing === undefined)) onHealth(after.failing);
    return round.acknowledged;
  }
}

function stoppedError(): Error {
  return new Error('the webhook was stopped before it carried out an order');
}
