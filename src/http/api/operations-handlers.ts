import type { z } from 'zod';
import { unreachable } from '../../oci/errors.ts';
import type { OperationsOrder, OperationsOverview, Part } from '../../operations/interface.ts';
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
  const { node, services, writes, jobs, webhooks, replica, collection, retention, holds } = found;
  return {
    node: shown(node, ({ startedAt, threads, ...each }) => ({
      ...each,
      started: isoOf(startedAt),
      threads: threads.map(({ index, inFlight }) => ({ index, requests: inFlight })),
    })),
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
      holds: all.map(({ id, name, moment, until, by, repositories }) => ({
        ...{ id, name, moment: isoOf(moment), until: isoOf(until), by, repositories },
      })),
    })),
  };
}

type Webhook = NonNullable<Extract<OperationsOverview['webhooks'], { kind: 'known' }>['value']>[number];

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
