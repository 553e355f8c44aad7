import type { z } from 'zod';
import { unreachable } from '../../oci/errors.ts';
import type {
  OperationsOrder,
  OperationsOverview,
  Part,
  ProcessFacts,
  ReplicaFacts,
} from '../../operations/interface.ts';
import type { Handler } from '../context.ts';
import { type AnswerOf, send } from './answer.ts';
import { readJson } from './json-body.ts';
import type { operations as operationsEndpoint } from './operations-endpoints.ts';
import { operationsOrder } from './operations-endpoints.ts';

export const getOperations: Handler<'api-operations'> = async (_, context, { operations }) =>
  send(context.stats, JSON.stringify(answerOf(await operations.overview())));

export const giveOrder: Handler<'api-order'> = async (_, context, { operations, limits }) => {
  const order = orderOf(await readJson(context, limits.body, operationsOrder.body));
  const { isDone, message } = await operations.order(order, context);
  const answer: AnswerOf<typeof operationsOrder> = { done: isDone, message };
  return send(context.stats, JSON.stringify(answer));
};

function orderOf(body: z.output<typeof operationsOrder.body>): OperationsOrder {
  switch (body.action) {
    case 'read-only':
      return { kind: body.action, on: body.on };
    case 'collect':
    case 'retain':
      return { kind: body.action };
    case 'retry-job':
      return { kind: body.action, id: body.id };
    case 'pause-webhook':
    case 'resume-webhook':
    case 'test-webhook':
      return { kind: body.action, name: body.name };
    case 'replay-webhook':
      return { kind: body.action, name: body.name, since: body.since };
    default:
      return unreachable(body);
  }
}

type Answer = AnswerOf<typeof operationsEndpoint>;

function answerOf(found: OperationsOverview): Answer {
  const {
    node,
    processes,
    services,
    writes,
    jobs,
    webhooks,
    replica,
    replicas,
    collection,
    retention,
    holds,
    backups,
  } = found;
  return {
    node: shown(node, ({ startedAt, threads, ...each }) => ({
      ...each,
      started: isoOf(startedAt),
      threads: threads.map(({ index, inFlight }) => ({ index, requests: inFlight })),
    })),
    processes: shown(processes, (list) => ({ problem: list.problem, processes: list.processes.map(processOf) })),
    services,
    writes: shown(writes, (each) => each),
    jobs: shown(jobs, ({ counts, deadLetters }) => ({
      kinds: counts,
      deadLetters: deadLetters.map(({ id, kind, attempts, reason, failedAt }) => ({
        ...{ id, kind, attempts, reason, failed: isoOf(failedAt) },
      })),
    })),
    webhooks: shown(webhooks, (all) => (all === undefined ? {} : { webhooks: all.map(webhookOf) })),
    replica: shown(replica, (lag) => {
      if (lag === undefined) return {};
      const { source, promoted, changes, repositories, bytes, seconds, isMore, missing, problem } = lag;
      return { source, promoted, changes, repositories, bytes, seconds, more: isMore, missing, problem };
    }),
    replicas: shown(replicas, (all) => ({ replicas: all.map(replicaOf) })),
    collection: shown(collection, (report) => {
      if (report === undefined) return {};
      const { startedAt, finishedAt, examined, kept, freed, waiting, unlinked, failures, failed } = report;
      const times = { started: isoOf(startedAt), finished: isoOf(finishedAt) };
      return { ...times, examined, kept, freed, waiting, unlinked, failures, failed };
    }),
    retention: shown(retention, (report) => {
      if (report === undefined) return {};
      const { startedAt, finishedAt, request: _, ...numbers } = report;
      return { started: isoOf(startedAt), finished: isoOf(finishedAt), ...numbers };
    }),
    holds: shown(holds, (all) => ({
      holds: all.map(({ id, name, moment, until, by, repositories, isBackup }) => ({
        ...{ id, name, moment: isoOf(moment), until: isoOf(until), by, repositories, backup: isBackup },
      })),
    })),
    backups: shown(backups, (all) => ({ backups: all.map(backupOf) })),
  };
}

function processOf({ isThis, silentFor, startedAt, role, jobs, ...each }: ProcessFacts) {
  return {
    ...each,
    role,
    this: isThis,
    silentSeconds: silentFor / 1000,
    started: isoOf(startedAt),
    jobs: role === 'worker' ? [...jobs] : undefined,
  };
}

function replicaOf({ silentFor, behind: { notes, since }, ...each }: ReplicaFacts) {
  const behind = { notes, since: since === undefined ? undefined : isoOf(since) };
  return { ...each, silentSeconds: silentFor / 1000, behind };
}

function backupOf({ startedAt, finishedAt, cut, failed, ...each }: RunReport) {
  return {
    ...{ ...each, started: isoOf(startedAt), finished: isoOf(finishedAt), whole: failed === undefined, failed },
    cut: cut && { ...cut, moment: isoOf(cut.moment) },
  };
}

type RunReport = ValueOf<OperationsOverview['backups']>[number];
type ValueOf<P> = P extends { readonly kind: 'known'; readonly value: infer Value } ? Value : never;

type Webhook = NonNullable<ValueOf<OperationsOverview['webhooks']>>[number];

function webhookOf({ name, host, format, condition, behind, failing, totals }: Webhook) {
  return {
    ...{ name, host, format, state: condition, totals },
    behind: { changes: behind.changes, more: behind.isMore, seconds: behind.seconds },
    failing: failing === undefined ? undefined : { ...failing, since: isoOf(failing.since) },
  };
}

function shown<T, Shown extends object>(
  part: Part<T>,
  show: (value: T) => Shown,
): Shown | { readonly problem: string } {
  return part.kind === 'known' ? show(part.value) : { problem: part.problem };
}

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
