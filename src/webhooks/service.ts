import type { Feed } from '../feed/feed.ts';
import type { RegistryError } from '../oci/errors.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import type { DescribeManifest } from './changes-of-page.ts';
import { type Lease, type LeasePorts, Leases } from './lease.ts';
import { openOrders } from './orders.ts';
import { Pages } from './pages.ts';
import { Runner, type RunnerPorts } from './runner.ts';
import type { Message, Outcome } from './sender.ts';
import { StateStore } from './state.ts';
import { type WebhookStatus, writeReport } from './status.ts';
import type { Webhook, WebhookName } from './webhook.ts';

/** How often orders are looked for that other processes placed, in milliseconds. */
const ORDERS_EVERY_MS = 5_000;
/** How often the report for other processes is written, in milliseconds. */
const REPORT_EVERY_MS = 15_000;
const RETRY_MS = 5_000;
/** Deliveries of one webhook at the same time, at most. */
const MAX_IN_FLIGHT = 8;
/** Connections that the HTTP client keeps. If all webhooks together need more, it makes new ones all the time, at twice the cost. */
const KEPT_CONNECTIONS = 64;
/** How long `close` waits for the store, in milliseconds. */
const CLOSE_WITHIN_MS = 10_000;

/** What happens, for logs and metrics. */
export interface WebhookListener {
  readonly attempted: (webhook: Webhook, outcome: Outcome, seconds: number) => void;
  /** An outage of a receiver begins, or ends. */
  readonly failing: (webhook: Webhook, reason: string | undefined) => void;
  readonly skipped: (webhook: Webhook, count: number) => void;
  /** The feed does not know the cursor of a webhook, which begins again a while before it. */
  readonly cursorLost: (webhook: Webhook, error: RegistryError) => void;
  /** The store failed; it is tried again. @param webhook undefined: all of them */
  readonly failed: (webhook: Webhook | undefined, error: unknown) => void;
  /** This process delivers from now on, or no more. */
  readonly delivers: (isDelivering: boolean) => void;
}

export interface WebhookServicePorts
  extends Pick<
      RunnerPorts,
      'registry' | 'version' | 'now' | 'steadyNow' | 'random' | 'saveEvery' | 'sleep' | 'giveWay'
    >,
    Pick<LeasePorts, 'newId' | 'isAlone'> {
  readonly driver: Pick<StoreReader, 'list' | 'read'> & Pick<ObjectStore, 'create' | 'put' | 'delete'>;
  readonly feed: Feed;
  readonly describe: DescribeManifest;
  readonly openSender: (webhook: Webhook) => WebhookSender;
  /** Those of the file as it is now. */
  readonly webhooks: () => readonly Webhook[];
  /** Aborted while nothing may be written to the store; a new one when it may be again. */
  readonly readOnly: () => AbortSignal;
  readonly listener: WebhookListener;
}

/** The connections to one receiver. */
export interface WebhookSender {
  /** As `Sender.send`. */
  readonly send: (message: Message, signal: AbortSignal) => Promise<Outcome>;
  readonly close: () => void;
}

interface Running {
  readonly webhook: Webhook;
  readonly runner: Runner;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Delivers all webhooks, while this process has the lease and the store may be written to. */
export class WebhookService {
  readonly #ports: WebhookServicePorts;
  readonly #stop = new AbortController();
  readonly #running = new Map<WebhookName, Running>();
  #looked = Promise.withResolvers<void>();
  #ended: Promise<void> = Promise.resolve();

  constructor(ports: WebhookServicePorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#ended = this.#run();
  }

  /** Looks at the file and at the orders soon. */
  look(): void {
    this.#looked.resolve();
  }

  /** What the webhooks are doing; empty while another process delivers. */
  statuses(): readonly WebhookStatus[] {
    return [...this.#running.values()].flatMap(({ webhook, runner }) => {
      const { status } = runner;
      return status === undefined ? [] : [{ ...status, name: webhook.name }];
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    const waited = new AbortController();
    await Promise.race([this.#ended, this.#ports.sleep(CLOSE_WITHIN_MS, waited.signal)]);
    waited.abort();
  }

  async #run(): Promise<void> {
    const { readOnly, sleep, listener, driver, newId, steadyNow, now, isAlone } = this.#ports;
    const leases = new Leases({
      ...{ driver, newId, now: steadyNow, wallNow: now, sleep, isAlone },
      failed: (error) => listener.failed(undefined, error),
    });
    const { signal: stopped } = this.#stop;
    while (!stopped.aborted) {
      const signal = AbortSignal.any([stopped, readOnly()]);
      try {
        const lease = signal.aborted ? undefined : await leases.acquire(signal);
        if (lease === undefined) {
          await sleep(RETRY_MS, stopped);
          continue;
        }
        listener.delivers(true);
        try {
          await this.#deliverUnder(lease, AbortSignal.any([signal, lease.lost]));
        } finally {
          listener.delivers(false);
          await lease.release();
        }
      } catch (error) {
        listener.failed(undefined, error);
        await sleep(RETRY_MS, stopped);
      }
    }
  }

  /** Returns once nothing is being delivered any more. */
  async #deliverUnder(lease: Lease, signal: AbortSignal): Promise<void> {
    const { sleep, isAlone, listener, driver, feed, describe, steadyNow } = this.#ports;
    const states = await StateStore.open(driver, lease.term);
    const pages = new Pages(feed, describe, signal);
    let isReported = false;
    let reportAt = 0;
    while (!signal.aborted) {
      this.#looked = Promise.withResolvers();
      this.#follow({ lease, states, pages }, signal);
      try {
        await this.#carryOutOrders();
        if (!isAlone && steadyNow() >= reportAt) {
          await writeReport(driver, this.statuses(), this.#ports.now());
          reportAt = steadyNow() + REPORT_EVERY_MS;
        }
        isReported = false;
      } catch (error) {
        if (!isReported && !signal.aborted) listener.failed(undefined, error);
        isReported = true;
      }
      const looked = new AbortController();
      const next = AbortSignal.any([signal, looked.signal]);
      void this.#looked.promise.then(() => looked.abort());
      await sleep(isAlone && !isReported ? REPORT_EVERY_MS : ORDERS_EVERY_MS, next);
    }
    const all = [...this.#running.values()];
    for (const { stop } of all) stop.abort();
    await Promise.all(all.map(({ ended }) => ended));
    this.#running.clear();
  }

  /** Starts and stops webhooks as the file says. */
  #follow(parts: Parts, signal: AbortSignal): void {
    const wanted = new Map(this.#ports.webhooks().map((webhook) => [webhook.name, webhook]));
    for (const [name, { webhook, stop }] of this.#running)
      if (wanted.get(name)?.version !== webhook.version) stop.abort();
    for (const webhook of wanted.values()) {
      // One that has changed starts again when its runner has stored how far it got.
      if (this.#running.has(webhook.name)) continue;
      this.#running.set(webhook.name, this.#begin(webhook, parts, signal));
    }
  }

  #begin(webhook: Webhook, { lease, states, pages }: Parts, signal: AbortSignal): Running {
    const { listener, openSender, ...ports } = this.#ports;
    const sender = openSender(webhook);
    const runner = new Runner(webhook, {
      ...{ ...ports, states, pages },
      send: (message, aborted) => sender.send(message, aborted),
      maxInFlight: () => Math.max(1, Math.min(MAX_IN_FLIGHT, Math.floor(KEPT_CONNECTIONS / this.#running.size))),
      mayDeliver: lease.isValid,
      onAttempt: (outcome, seconds) => listener.attempted(webhook, outcome, seconds),
      onHealth: (failing) => listener.failing(webhook, failing?.reason),
      onSkipped: (count) => listener.skipped(webhook, count),
      failed: (error) => listener.failed(webhook, error),
      onCursorLost: (error) => listener.cursorLost(webhook, error),
    });
    const stop = new AbortController();
    const ended = runner.run(AbortSignal.any([signal, stop.signal])).then(() => {
      sender.close();
      this.#running.delete(webhook.name);
      this.look();
    });
    return { webhook, runner, stop, ended };
  }

  async #carryOutOrders(): Promise<void> {
    const { driver } = this.#ports;
    for (const { key, id, order } of await openOrders(driver)) {
      const target = order === undefined ? undefined : this.#running.get(order.webhook);
      // One for a webhook that is not in the file, or of another version, would wait for ever.
      if (target !== undefined && order !== undefined) await target.runner.carryOut(id, order.action);
      const [failure] = await driver.delete([key]);
      if (failure !== undefined) throw failure.cause;
    }
  }
}

interface Parts {
  readonly lease: Lease;
  readonly states: StateStore;
  readonly pages: Pages;
}
