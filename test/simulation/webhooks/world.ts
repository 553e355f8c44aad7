// A feed, a store, receivers and the processes that deliver, on simulated time.
import type { Change } from '../../../src/feed/change.ts';
import type { Cursor } from '../../../src/feed/cursor.ts';
import type { ChangePage, Feed, PageOptions, Since, WaitOptions } from '../../../src/feed/feed.ts';
import type { Digest, RepositoryName, Tag } from '../../../src/oci/names.ts';
import { MemoryDriver } from '../../../src/storage/memory/driver.ts';
import { GivingWay } from '../../../src/webhooks/giving-way.ts';
import type { Message, Outcome } from '../../../src/webhooks/sender.ts';
import { WebhookService, type WebhookServicePorts } from '../../../src/webhooks/service.ts';
import type { Webhook } from '../../../src/webhooks/webhook.ts';
import { parseWebhooksFile } from '../../../src/webhooks/webhooks-file.ts';
import type { Random } from '../random.ts';
import { type Owner, Scheduler } from '../scheduler.ts';

const SECOND_MS = 1_000;
const BEGIN = Date.UTC(2030, 0, 1);
export const REPOSITORIES = ['a', 'b', 'team/c'] as unknown as readonly RepositoryName[];
const DIGEST = `sha256:${'0'.repeat(64)}` as Digest;

/** What a receiver got. */
export interface Arrival {
  readonly change: string;
  readonly repository: string;
  /** The process that sent it: they are numbered in the order in which they got the lease. */
  readonly term: number;
}

export interface Bug {
  /** Changes what a process gets. */
  readonly ports?: (ports: WebhookServicePorts, world: World) => WebhookServicePorts;
}

/** A process: it can die or hang at any await. */
class Process implements Owner {
  isDead = false;
  hangsUntil = 0;
  /** How many processes had the lease before it, and it itself. */
  term = 0;
}

export class World {
  readonly scheduler = new Scheduler(BEGIN);
  readonly random: Random;
  readonly violations: string[] = [];
  readonly changes: Change[] = [];
  /** By webhook. */
  readonly arrivals = new Map<string, Arrival[]>();
  /** Changes that a webhook reported as skipped. */
  readonly reported = new Map<string, number>();
  readonly webhooks: readonly Webhook[];
  readonly #bug: Bug;
  readonly #objects = new Map<string, Uint8Array>();
  readonly #processes = new Set<Process>();
  readonly #feed: SimulatedFeed;
  /** How likely each kind of fault of the store and the receivers is. */
  #faults: number;
  /** How likely processes are busy when a delivery is to begin. */
  readonly #load: number;
  #terms = 0;

  constructor(random: Random, bug: Bug) {
    this.random = random;
    this.#bug = bug;
    this.#faults = random.pick([0, 0.02, 0.1, 0.3]);
    this.#load = random.pick([0, 0.5, 1]);
    this.#feed = new SimulatedFeed(this.scheduler, this.changes);
    const formats = [random.pick(['distribution', 'cloudevents']), 'cloudevents'];
    const maxAge = random.chance(0.3) ? '1m' : '7d';
    this.webhooks = parseWebhooksFile(
      JSON.stringify({
        webhooks: formats.map((format, number) => ({
          ...{ name: `hook-${number}`, url: 'https://receiver.example/', format, maxAge },
          ...{ events: ['tag.set'], since: 'beginning' },
          ...(number === 1 ? { repositories: ['a', 'team/*'] } : {}),
        })),
      }),
    );
  }

  /** A client sets a tag. */
  append(repository = this.random.pick(REPOSITORIES)): void {
    const seq = this.changes.filter((change) => change.repository === repository).length + 1;
    const time = new Date(this.scheduler.now).toISOString();
    const change: Change = {
      id: `${repository}@${seq}.0`,
      repository,
      seq,
      index: 0,
      time,
      type: 'tag.set',
      tag: 't' as Tag,
      digest: DIGEST,
    };
    this.changes.push(change);
    this.#feed.ring();
  }

  startProcess(): Process {
    const owner = new Process();
    this.#processes.add(owner);
    const service = new WebhookService(this.#portsOf(owner));
    service.start();
    return owner;
  }

  /** Ends or stops a process that runs. */
  disturb(): void {
    const running = [...this.#processes].filter(({ isDead }) => !isDead);
    if (running.length === 0) return;
    const process = this.random.pick(running);
    if (this.random.chance(0.5)) {
      process.isDead = true;
      this.scheduler.after(this.random.between(0, 20 * SECOND_MS), () => this.startProcess());
      return;
    }
    process.hangsUntil = this.scheduler.now + this.random.between(SECOND_MS, 90 * SECOND_MS);
    this.scheduler.after(process.hangsUntil - this.scheduler.now, () =>
      this.scheduler.release(process, this.random.chance(0.5)),
    );
  }

  /** Whether clients need the processors at this moment. Some processes are always busy. */
  isBusy(): boolean {
    return this.random.chance(this.#load);
  }

  /** No faults from now on. */
  calm(): void {
    this.#faults = 0;
    for (const process of this.#processes) {
      if (process.hangsUntil > this.scheduler.now) {
        process.hangsUntil = 0;
        this.scheduler.release(process);
      }
    }
    if ([...this.#processes].every(({ isDead }) => isDead)) this.startProcess();
  }

  #portsOf(owner: Process): WebhookServicePorts {
    const { scheduler, random } = this;
    const never = new AbortController().signal;
    const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
      this.#sleep(milliseconds, signal, owner);
    const steadyNow = (): number => scheduler.now;
    const givingWay = new GivingWay({ isBusy: () => this.isBusy(), steadyNow, sleep });
    const ports: WebhookServicePorts = {
      driver: new SlowStore(this.#objects, (what) => this.#storeDelay(owner, what)),
      feed: this.#feed.of(owner),
      describe: async () => undefined,
      registry: { url: 'https://registry.example', host: 'registry.example', store: 'S' },
      version: '0',
      newId: () => `holder-${random.next()}`,
      isAlone: false,
      saveEvery: SECOND_MS,
      now: () => scheduler.now,
      random: random.next,
      ...{ steadyNow, sleep },
      giveWay: (count, waited, signal) => givingWay.turn(count, waited, signal),
      openSender: (webhook) => ({
        send: (message, signal) => this.#send(webhook, message, signal, owner),
        close: () => {},
      }),
      webhooks: () => this.webhooks,
      readOnly: () => never,
      listener: {
        attempted: () => {},
        failing: () => {},
        skipped: () => {},
        cursorLost: (_, error) => this.violations.push(`a cursor was lost: ${error.message}`),
        failed: () => {},
        delivers: (isDelivering) => {
          if (isDelivering) owner.term = ++this.#terms;
        },
      },
    };
    return this.#bug.ports?.(ports, this) ?? ports;
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

  async #storeDelay(owner: Owner, what: 'before' | 'after'): Promise<void> {
    await this.scheduler.sleep(this.random.between(0, 30), owner);
    if (this.random.chance(this.#faults / 4)) {
      await this.scheduler.sleep(this.random.between(0, 3 * SECOND_MS), owner);
      throw new Error(`the store did not answer (${what})`);
    }
  }

  /** The network and the receiver belong to no process: what was sent arrives, even if the sender dies. */
  async #send(webhook: Webhook, message: Message, signal: AbortSignal, owner: Process): Promise<Outcome> {
    const { random, scheduler } = this;
    const { term } = owner;
    const fault = random.chance(this.#faults)
      ? random.pick(['refused', 'status', 'lost answer', 'hangs'] as const)
      : 'none';
    const answer = Promise.withResolvers<Outcome>();
    scheduler.after(random.between(1, SECOND_MS), () => {
      if (fault !== 'refused' && fault !== 'status') this.#arrived(webhook, message, term);
      if (fault === 'none') answer.resolve({ kind: 'accepted', status: 200 });
      else if (fault !== 'hangs') answer.resolve({ kind: 'failed', reason: fault });
    });
    const aborted = (): void => answer.reject(new Error('aborted'));
    signal.addEventListener('abort', aborted);
    const cancel = scheduler.after(webhook.timeout, () => answer.resolve({ kind: 'failed', reason: 'timeout' }));
    try {
      const outcome = await answer.promise;
      // The process notices the answer at a time of its own.
      await scheduler.sleep(0, owner);
      return outcome;
    } finally {
      cancel();
      signal.removeEventListener('abort', aborted);
    }
  }

  #arrived({ name, format }: Webhook, { body, headers }: Message, term: number): void {
    const parsed = JSON.parse(body) as { readonly id: string; readonly events: readonly { readonly id: string }[] };
    const ids = format === 'distribution' ? parsed.events.map(({ id }) => id) : [parsed.id];
    const arrivals = this.arrivals.get(name) ?? [];
    for (const change of ids) arrivals.push({ change, repository: change.slice(0, change.indexOf('@')), term });
    this.arrivals.set(name, arrivals);
    const skipped = Number(headers['x-marina-skipped'] ?? 0);
    this.reported.set(name, (this.reported.get(name) ?? 0) + skipped);
  }
}

/** Cursors are positions in the list of changes, which are the feed's order. */
class SimulatedFeed {
  readonly #scheduler: Scheduler;
  readonly #changes: readonly Change[];
  #rung = Promise.withResolvers<void>();

  constructor(scheduler: Scheduler, changes: readonly Change[]) {
    this.#scheduler = scheduler;
    this.#changes = changes;
  }

  ring(): void {
    this.#rung.resolve();
    this.#rung = Promise.withResolvers();
  }

  of(owner: Owner): Feed {
    const cursor = (at: number): Cursor => `c${at}` as Cursor;
    const position = (text: string): number => Number(text.slice(1));
    return {
      start: async (since: Since) => cursor(since.kind === 'now' ? this.#changes.length : 0),
      page: async (from: Cursor, { limit }: PageOptions): Promise<ChangePage> => {
        await this.#scheduler.sleep(5, owner);
        const start = position(from);
        const changes = this.#changes.slice(start, start + Math.min(limit, 20));
        const end = start + changes.length;
        return {
          changes,
          cursor: cursor(end),
          more: end < this.#changes.length,
          cursorAfter: (index) => cursor(start + index + 1),
        };
      },
      wait: async (from: Cursor, { until, signal }: WaitOptions) => {
        if (position(from) < this.#changes.length || signal.aborted) return;
        const ended = Promise.withResolvers<void>();
        const end = (): void => ended.resolve();
        const cancel = this.#scheduler.after(until - this.#scheduler.now, end);
        signal.addEventListener('abort', end);
        await Promise.race([this.#rung.promise, ended.promise]);
        cancel();
        signal.removeEventListener('abort', end);
        await this.#scheduler.sleep(0, owner);
      },
    };
  }
}

/** A store that answers late, or not at all. */
class SlowStore extends MemoryDriver {
  readonly #delay: (what: 'before' | 'after') => Promise<void>;

  constructor(objects: Map<string, Uint8Array>, delay: (what: 'before' | 'after') => Promise<void>) {
    super(objects);
    this.#delay = delay;
  }

  override create(...args: Parameters<MemoryDriver['create']>): ReturnType<MemoryDriver['create']> {
    return this.#slowly(() => super.create(...args));
  }

  override put(...args: Parameters<MemoryDriver['put']>): Promise<void> {
    return this.#slowly(() => super.put(...args));
  }

  override read(...args: Parameters<MemoryDriver['read']>): ReturnType<MemoryDriver['read']> {
    return this.#slowly(() => super.read(...args));
  }

  override delete(...args: Parameters<MemoryDriver['delete']>): ReturnType<MemoryDriver['delete']> {
    return this.#slowly(() => super.delete(...args));
  }

  override async *list(...args: Parameters<MemoryDriver['list']>): ReturnType<MemoryDriver['list']> {
    await this.#delay('before');
    yield* super.list(...args);
  }

  async #slowly<T>(work: () => Promise<T>): Promise<T> {
    await this.#delay('before');
    const result = await work();
    await this.#delay('after');
    return result;
  }
}
