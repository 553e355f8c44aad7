import type { Cursor } from '../feed/cursor.ts';
import type { Feed, Since } from '../feed/feed.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import { delayAfter } from './backoff.ts';
import { type Delivery, nextDeliveries, type Pending, splitExpired } from './delivery.ts';
import { FORMATS } from './formats/formats.ts';
import { type MessagePorts, messageOf } from './message.ts';
import type { Order } from './orders.ts';
import type { DescribedPage, Pages } from './pages.ts';
import type { Message, Outcome } from './sender.ts';
import { newState, type StateStore, type WebhookState } from './state.ts';
import type { Webhook } from './webhook.ts';

/** How long a webhook without anything to do waits before it looks again, in milliseconds. */
const LOOK_EVERY_MS = 60_000;
/** How often a cursor is stored that only passed changes which are not for the webhook, in milliseconds. */
const PASSED_EVERY_MS = 10 * 60_000;
/** How long to wait after the store or the feed failed, in milliseconds. */
const RETRY_STORE_MS = 5_000;
/** Orders whose ids are remembered: a crash may leave one in the store that has been carried out. */
const KEPT_ORDERS = 20;
/** Where a webhook begins again whose cursor the feed does not know: this long before the cursor was stored, in milliseconds. */
const BACK_MS = 10 * 60_000;

export interface RunnerPorts extends MessagePorts {
  readonly feed: Pick<Feed, 'start' | 'wait'>;
  readonly pages: Pick<Pages, 'after'>;
  readonly states: Pick<StateStore, 'get' | 'save'>;
  readonly send: (message: Message, signal: AbortSignal) => Promise<Outcome>;
  /** Deliveries of one webhook at the same time, each of another repository. */
  readonly maxInFlight: () => number;
  /** Resolves when deliveries may begin, as `GivingWay.turn` has it. */
  readonly giveWay: (count: number, waited: number, signal: AbortSignal) => Promise<void>;
  /** Whether this process may still deliver. */
  readonly mayDeliver: () => boolean;
  /** Milliseconds of a clock that is never set back; that of `Feed.wait`. */
  readonly steadyNow: () => number;
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
  /** How often the state of a busy webhook is stored, in milliseconds: what was acknowledged since then is delivered again after a crash. */
  readonly saveEvery: number;
  readonly onAttempt: (outcome: Outcome, seconds: number) => void;
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
  #state: WebhookState | undefined;
  /** What is not stored: `much` would be delivered or counted again after a crash, `little` only read again. */
  #unsaved: 'nothing' | 'little' | 'much' = 'nothing';
  #savedAt = Number.NEGATIVE_INFINITY;
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
    return this.#state && { ...this.#state, oldest: this.#oldest };
  }

  /** Works until the signal is aborted; then it stores how far it got. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let isFailing = false;
    while (!signal.aborted) {
      this.#cycle = new AbortController();
      const cycle = AbortSignal.any([signal, this.#cycle.signal]);
      try {
        const state = this.#state ?? (await this.#load());
        await this.#carryOutOrders(state);
        if (!cycle.aborted) await this.#work(cycle);
        isFailing = false;
      } catch (error) {
        if (cycle.aborted) continue;
        if (!isFailing) this.#ports.failed(error);
        isFailing = true;
        await this.#ports.sleep(RETRY_STORE_MS, cycle);
      }
    }
    try {
      await this.#save();
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

  async #load(): Promise<WebhookState> {
    const { states, feed, now } = this.#ports;
    const { name, since } = this.#webhook;
    const stored = states.get(name);
    if (stored !== undefined) {
      this.#state = stored;
      return stored;
    }
    const state = newState(await feed.start(since), now());
    // Where it begins must be durable before anything else happens: what comes after that is promised to it.
    await states.save(name, state);
    this.#state = state;
    return state;
  }

  async #carryOutOrders(before: WebhookState): Promise<void> {
    let state = before;
    for (const { id, action } of this.#orders) {
      if (state.orders.includes(id)) continue;
      state = { ...(await this.#ordered(state, action)), orders: [...state.orders, id].slice(-KEPT_ORDERS) };
    }
    if (state !== before) {
      this.#update(state, 'much');
      await this.#save();
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
  async #work(signal: AbortSignal): Promise<void> {
    const { feed, steadyNow, saveEvery } = this.#ports;
    const { cursor, isPaused } = this.#known();
    const page = await this.#page(cursor);
    if (page === undefined) return;
    if (isPaused) {
      this.#oldest = this.#wanted(page)[0]?.change.time;
      await this.#ports.sleep(LOOK_EVERY_MS, signal);
      return;
    }
    if (page.cursor !== cursor) await this.#deliver(page, signal);
    if (page.more || signal.aborted) return;
    const saveAt = this.#savedAt + (this.#unsaved === 'much' ? saveEvery : PASSED_EVERY_MS);
    const until = this.#unsaved === 'nothing' ? Number.POSITIVE_INFINITY : saveAt;
    await feed.wait(page.cursor, { until: Math.min(until, steadyNow() + LOOK_EVERY_MS), signal });
    if (this.#unsaved !== 'nothing' && steadyNow() >= saveAt) await this.#save();
  }

  #wanted({ changes }: DescribedPage): readonly Pending[] {
    const { repositories, events } = this.#webhook;
    return changes.flatMap((change, index) =>
      events.has(change.type) && repositories.matches(change.repository) ? [{ change, index }] : [],
    );
  }

  /** @returns undefined if the feed did not know the cursor, which has been replaced */
  async #page(cursor: Cursor): Promise<DescribedPage | undefined> {
    const { pages, feed } = this.#ports;
    try {
      return await pages.after(cursor);
    } catch (error) {
      if (!(error instanceof RegistryError) || (error.kind !== 'cursor-invalid' && error.kind !== 'cursor-unknown'))
        throw error;
      this.#ports.onCursorLost(error);
      const state = this.#known();
      this.#update({ ...state, cursor: await feed.start({ kind: 'time', at: state.storedAt - BACK_MS }) }, 'much');
      await this.#save();
      return undefined;
    }
  }

  /** Sends what the webhook wants of a page. Returns when all of it was acknowledged or skipped, or the signal is aborted. */
  async #deliver(page: DescribedPage, signal: AbortSignal): Promise<void> {
    const { sleep, random } = this.#ports;
    let pending = this.#wanted(page);
    /** Changes of the page that the cursor has passed. */
    let passed = 0;
    for (;;) {
      pending = this.#skipExpired(pending);
      this.#oldest = pending[0]?.change.time;
      if (pending.length === 0) break;
      const acknowledged = await this.#attemptRound(pending, signal);
      pending = pending.filter((each) => !acknowledged.has(each));
      const [first] = pending;
      // The cursor never passes a change that the receiver has not acknowledged, except those that became too old. It passes the end of
      // the page with the last of them: what is stored now must not deliver that one again.
      if (first === undefined) {
        this.#update({ ...this.#known(), cursor: page.cursor }, 'much');
      } else if (first.index > passed) {
        passed = first.index;
        this.#update({ ...this.#known(), cursor: page.cursorAfter(passed - 1) }, 'much');
      }
      if (signal.aborted && first !== undefined) return;
      await this.#saveInTime();
      const { failing } = this.#known();
      if (failing !== undefined) await sleep(delayAfter(failing.attempts, random()), signal);
      if (signal.aborted && first !== undefined) return;
    }
    if (this.#known().cursor !== page.cursor)
      this.#update({ ...this.#known(), cursor: page.cursor }, this.#unsaved === 'much' ? 'much' : 'little');
  }

  /** What was there when the webhook began counts as if it had happened then. */
  #skipExpired(pending: readonly Pending[]): readonly Pending[] {
    const state = this.#known();
    const before = this.#ports.now() - this.#webhook.maxAge;
    if (state.startedAt >= before) return pending;
    const split = splitExpired(pending, before);
    if (split.expired === 0) return pending;
    const totals = { ...state.totals, skipped: state.totals.skipped + split.expired };
    this.#update({ ...state, unreported: state.unreported + split.expired, totals }, 'much');
    this.#ports.onSkipped(split.expired);
    return split.pending;
  }

  /** How long the oldest change has waited, in milliseconds. */
  #waited([oldest]: readonly Pending[]): number {
    return oldest === undefined ? 0 : this.#ports.now() - Date.parse(oldest.change.time);
  }

  /**
   * Sends the next deliveries at the same time; just one while the receiver fails.
   * @returns what was acknowledged
   */
  async #attemptRound(pending: readonly Pending[], signal: AbortSignal): Promise<ReadonlySet<Pending>> {
    const { failing: failed, unreported } = this.#known();
    const { maxChanges } = FORMATS[this.#webhook.format];
    const round = nextDeliveries(pending, maxChanges, failed === undefined ? this.#ports.maxInFlight() : 1);
    await this.#ports.giveWay(round.length, this.#waited(pending), signal);
    // The first one says how many changes were skipped.
    const outcomes = await Promise.all(
      round.map((delivery, place) => this.#attempt(delivery, place === 0 ? unreported : 0, signal)),
    );
    const acknowledged = new Set<Pending>();
    for (const [place, outcome] of outcomes.entries()) {
      if (outcome?.kind !== 'accepted') continue;
      for (const item of round[place]?.items ?? []) acknowledged.add(item);
    }
    this.#count(outcomes, acknowledged.size, outcomes[0]?.kind === 'accepted' ? unreported : 0);
    return acknowledged;
  }

  /** @returns undefined if the signal was aborted before there was an outcome */
  async #attempt({ items }: Delivery, skipped: number, signal: AbortSignal): Promise<Outcome | undefined> {
    const { send, steadyNow, mayDeliver, onAttempt } = this.#ports;
    // A process that was stopped for long may have lost the lease before its timers say so.
    if (!mayDeliver()) await untilAborted(signal);
    if (signal.aborted) return undefined;
    const begun = steadyNow();
    try {
      const changes = items.map(({ change }) => change);
      const outcome = await send(messageOf(this.#webhook, changes, skipped, this.#ports), signal);
      onAttempt(outcome, (steadyNow() - begun) / 1000);
      return outcome;
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** Updates the state after a round. */
  #count(outcomes: readonly (Outcome | undefined)[], delivered: number, reported: number): void {
    const { failing: before, ...state } = this.#known();
    const failures = outcomes.filter((outcome) => outcome?.kind === 'failed');
    const [failure] = failures;
    if (failure === undefined && delivered === 0) return;
    const totals = {
      ...state.totals,
      delivered: state.totals.delivered + delivered,
      failed: state.totals.failed + failures.length,
    };
    const counted = { ...state, totals, unreported: state.unreported - reported };
    if (failure === undefined) {
      this.#update(counted, 'much');
      if (before !== undefined) this.#ports.onHealth(undefined);
      return;
    }
    const since = before?.since ?? this.#ports.now();
    const failing = { since, attempts: (before?.attempts ?? 0) + 1, reason: failure.reason };
    this.#update({ ...counted, failing }, 'much');
    if (before === undefined) this.#ports.onHealth(failing);
  }

  #known(): WebhookState {
    if (this.#state === undefined) throw new Error('the state of the webhook is not loaded');
    return this.#state;
  }

  #update(state: WebhookState, unsaved: 'little' | 'much'): void {
    this.#state = state;
    this.#unsaved = unsaved;
  }

  async #saveInTime(): Promise<void> {
    const { steadyNow, saveEvery } = this.#ports;
    if (this.#unsaved === 'much' && steadyNow() >= this.#savedAt + saveEvery) await this.#save();
  }

  async #save(): Promise<void> {
    if (this.#unsaved === 'nothing') return;
    const { states, now, steadyNow } = this.#ports;
    const state = { ...this.#known(), storedAt: now() };
    await states.save(this.#webhook.name, state);
    this.#state = state;
    this.#unsaved = 'nothing';
    this.#savedAt = steadyNow();
  }
}

function stoppedError(): Error {
  return new Error('the webhook was stopped before it carried out an order');
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
