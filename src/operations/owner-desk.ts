import { type Feed, isAhead, parseSince, SINCE_FORMS } from '../feed/feed.ts';
import type { Job } from '../jobs/job.ts';
import type { JobBoard } from '../jobs/queue.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import type { Incarnation } from '../oci/names.ts';
import type { WriteSwitch } from '../registry/write-switch.ts';
import type { StoreReader } from '../storage/driver.ts';
import { within } from '../system/within.ts';
import type { WrittenOrder } from '../webhooks/orders.ts';
import { reportWebhooks, type WebhookReport } from '../webhooks/report.ts';
import type { Outcome } from '../webhooks/sender.ts';
import { parseWebhookName, type Webhook, type WebhookName } from '../webhooks/webhook.ts';
import type {
  JobFacts,
  NodeFacts,
  OperationsOrder,
  OrderOutcome,
  OwnerDesk,
  ProcessList,
  ThreadFacts,
} from './interface.ts';
import { problemOf } from './problem.ts';
import type { ReplicaSighting } from './replicas.ts';
import type { Announcement } from './roster/announcement.ts';
import type { Presence } from './roster/presence.ts';
import { processesOf } from './roster/process-list.ts';
import type { Listed, Roster } from './roster/roster.ts';

/** Dead letters that an overview has. */
const MAX_DEAD_LETTERS = 50;
/** How long Redis may take to list the processes, in milliseconds. */
const LIST_WITHIN_MS = 1_500;
/** How long each thread may take to answer, in milliseconds: less than the part of the overview that waits for it. */
const THREAD_WITHIN_MS = 1_000;

/** A thread of this process. */
interface AskedThread {
  readonly index: number;
  readonly inFlight: () => Promise<number>;
}

export interface OwnerDeskPorts {
  /** What does not change while the process runs. */
  readonly about: Omit<NodeFacts, 'memory' | 'threads'>;
  readonly threads: readonly AskedThread[];
  /** Resident bytes. */
  readonly memory: () => number;
  /** What this process says of itself. */
  readonly presence: Pick<Presence, 'id' | 'about'>;
  /** What the processes of a cluster say of themselves; undefined for a process that has its store for itself. */
  readonly listed: (() => Promise<readonly Listed<Announcement>[]>) | undefined;
  /** The replicas of this store. */
  readonly replicas: Pick<Roster<ReplicaSighting>, 'announce' | 'list'>;
  readonly board: Pick<JobBoard, 'counts' | 'deadLetters' | 'retry'>;
  /** @returns false if the job was not accepted */
  readonly enqueue: (job: Job) => Promise<boolean>;
  readonly writes: Pick<WriteSwitch, 'turn' | 'requireWritable'>;
  /** Called when the switch was turned; resolves once all threads act accordingly. */
  readonly turned: () => Promise<void>;
  /** undefined without WEBHOOKS_FILE. */
  readonly webhooks: (() => readonly Webhook[]) | undefined;
  readonly orderWebhook: (name: WebhookName, action: WrittenOrder['action']) => Promise<boolean>;
  readonly tryWebhookOut: (name: WebhookName) => Promise<Outcome>;
  readonly reader: Pick<StoreReader, 'list' | 'read'>;
  readonly feed: Pick<Feed, 'page' | 'start'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The desk of the thread that has what a process has once. */
export class ProcessDesk implements OwnerDesk {
  readonly #ports: OwnerDeskPorts;
  #reporting: Promise<readonly WebhookReport[]> | undefined;

  constructor(ports: OwnerDeskPorts) {
    this.#ports = ports;
  }

  /** A thread that does not answer does not hide what is known without it. */
  async node(): Promise<NodeFacts> {
    const { about, memory, threads } = this.#ports;
    const facts = threads.map(
      async ({ index, inFlight }): Promise<ThreadFacts> => ({
        index,
        inFlight: await within(THREAD_WITHIN_MS, inFlight()),
      }),
    );
    return { ...about, memory: memory(), threads: await Promise.all(facts) };
  }

  /** Without an answer of Redis it is this one alone. */
  async processes(): Promise<ProcessList> {
    const { presence, listed, now } = this.#ports;
    try {
      const found = listed === undefined ? [] : await within(LIST_WITHIN_MS, listed());
      if (found !== undefined) return { processes: processesOf(presence, found, now()), problem: undefined };
      return { processes: processesOf(presence, [], now()), problem: 'Redis does not answer' };
    } catch (error) {
      return { processes: processesOf(presence, [], now()), problem: problemOf(error) };
    }
  }

  async jobs(): Promise<JobFacts> {
    const { board } = this.#ports;
    const [counts, deadLetters] = await Promise.all([board.counts(), board.deadLetters(MAX_DEAD_LETTERS)]);
    return { counts, deadLetters };
  }

  /** Callers who come while a report is made share it: of a webhook that is far behind it takes long, also after they have given up. */
  async webhooks(): Promise<readonly WebhookReport[] | undefined> {
    const { webhooks } = this.#ports;
    if (webhooks === undefined) return undefined;
    this.#reporting ??= Array.fromAsync(reportWebhooks(webhooks(), this.#ports)).finally(() => {
      this.#reporting = undefined;
    });
    return await this.#reporting;
  }

  replicas(): Promise<readonly Listed<ReplicaSighting>[]> {
    return this.#ports.replicas.list();
  }

  sawReplica(id: Incarnation, sighting: ReplicaSighting): Promise<void> {
    return this.#ports.replicas.announce(id, sighting);
  }

  async order(order: OperationsOrder, actor: string): Promise<OrderOutcome> {
    const { writes, turned, board } = this.#ports;
    switch (order.kind) {
      case 'read-only':
        await writes.turn(order.on, actor);
        await turned();
        return done(order.on ? 'the registry is read-only' : 'the registry accepts writes');
      case 'collect':
        return await this.#enqueue({ kind: 'collect' }, 'a collection was requested');
      case 'retain':
        if (!this.#ports.about.hasRetention) throw invalid('RETENTION_FILE is not set: there are no rules to apply');
        return await this.#enqueue({ kind: 'retain' }, 'a run of retention was requested');
      case 'retry-job':
        if (await board.retry(order.id)) return done('the job is queued again');
        throw invalid('there is no dead letter of this id that can be retried');
      case 'pause-webhook':
        return await this.#orderWebhook(order.name, { kind: 'pause' }, 'is paused');
      case 'resume-webhook':
        return await this.#orderWebhook(order.name, { kind: 'resume' }, 'is resumed');
      case 'replay-webhook':
        return await this.#replay(order.name, order.since);
      case 'test-webhook':
        return await this.#tryOut(order.name);
      default:
        return unreachable(order);
    }
  }

  async #enqueue(job: Job, message: string): Promise<OrderOutcome> {
    const { writes, enqueue } = this.#ports;
    writes.requireWritable();
    if (!(await enqueue(job))) throw new RegistryError('unavailable', 'the job could not be queued: try again');
    return { isDone: false, message };
  }

  async #orderWebhook(text: string, action: WrittenOrder['action'], what: string): Promise<OrderOutcome> {
    const { writes, orderWebhook } = this.#ports;
    const name = requireName(text);
    writes.requireWritable();
    return (await orderWebhook(name, action))
      ? done(`the webhook ${name} ${what}`)
      : { isDone: false, message: `the webhook ${name} ${what} once a process delivers the webhooks` };
  }

  async #replay(name: string, text: string): Promise<OrderOutcome> {
    const since = parseSince(text);
    if (since === undefined) throw invalid(`since: ${SINCE_FORMS} is expected`);
    // A mistyped year would skip everything that has not been delivered yet.
    if (isAhead(since, this.#ports.now())) throw invalid(`since: ${text} is in the future`);
    // A cursor of another store is refused here, not by the process that delivers.
    if (since.kind === 'cursor') await this.#ports.feed.start(since);
    return await this.#orderWebhook(name, { kind: 'replay', since: text }, 'is delivered again');
  }

  async #tryOut(text: string): Promise<OrderOutcome> {
    const name = requireName(text);
    const outcome = await this.#ports.tryWebhookOut(name);
    return outcome.kind === 'accepted'
      ? done(`the webhook ${name} accepted the test: the status ${outcome.status}`)
      : { isDone: false, message: `the webhook ${name} did not accept the test: ${outcome.reason}` };
  }
}

function done(message: string): OrderOutcome {
  return { isDone: true, message };
}

function requireName(text: string): WebhookName {
  const name = parseWebhookName(text);
  if (name === undefined) throw invalid('there is no such webhook');
  return name;
}

function invalid(message: string): RegistryError {
  return new RegistryError('request-invalid', message);
}
