import { type Delivery, nextDeliveries, type Pending } from './delivery.ts';
import { FORMATS } from './formats/formats.ts';
import { type MessagePorts, messageOf } from './message.ts';
import type { Message, Outcome } from './sender.ts';
import type { WebhookState } from './state.ts';
import type { Webhook } from './webhook.ts';

export interface RoundPorts extends MessagePorts {
  readonly send: (message: Message, signal: AbortSignal) => Promise<Outcome>;
  /** Deliveries of one webhook at the same time, each of another repository. */
  readonly maxInFlight: () => number;
  /** Resolves when deliveries may begin, as `GivingWay.turn` has it. */
  readonly giveWay: (count: number, waited: number, signal: AbortSignal) => Promise<void>;
  /** Whether this process may still deliver. */
  readonly mayDeliver: () => boolean;
  /** Milliseconds of a clock that is never set back. */
  readonly steadyNow: () => number;
  readonly onAttempt: (outcome: Outcome, seconds: number) => void;
}

/** What came of deliveries that were sent at the same time. */
export interface Round {
  readonly outcomes: readonly Outcome[];
  readonly acknowledged: ReadonlySet<Pending>;
  /** Skipped changes that an acknowledged delivery has reported. */
  readonly reported: number;
}

/**
 * Sends the next deliveries of a webhook at the same time; just one while the receiver fails. Attempts that were aborted before their
 * outcome count as not made.
 */
export async function sendRound(
  webhook: Webhook,
  pending: readonly Pending[],
  { failing, unreported }: WebhookState,
  ports: RoundPorts,
  signal: AbortSignal,
): Promise<Round> {
  const { maxChanges } = FORMATS[webhook.format];
  const deliveries = nextDeliveries(pending, maxChanges, failing === undefined ? ports.maxInFlight() : 1);
  await ports.giveWay(deliveries.length, waited(pending, ports), signal);
  // The first one says how many changes were skipped.
  const outcomes = await Promise.all(
    deliveries.map((delivery, place) => attempt(webhook, delivery, place === 0 ? unreported : 0, ports, signal)),
  );
  const acknowledged = new Set<Pending>();
  for (const [place, outcome] of outcomes.entries()) {
    if (outcome?.kind !== 'accepted') continue;
    for (const item of deliveries[place]?.items ?? []) acknowledged.add(item);
  }
  return {
    outcomes: outcomes.filter((outcome) => outcome !== undefined),
    acknowledged,
    reported: outcomes[0]?.kind === 'accepted' ? unreported : 0,
  };
}

/** The state after a round. Pure. @param now milliseconds since 1970 */
export function afterRound(
  before: WebhookState,
  { outcomes, acknowledged, reported }: Round,
  now: number,
): WebhookState {
  const { failing, ...state } = before;
  const failures = outcomes.filter((outcome) => outcome.kind === 'failed');
  const [failure] = failures;
  if (failure === undefined && acknowledged.size === 0) return before;
  const totals = {
    ...state.totals,
    delivered: state.totals.delivered + acknowledged.size,
    failed: state.totals.failed + failures.length,
  };
  const counted = { ...state, totals, unreported: state.unreported - reported };
  if (failure === undefined) return counted;
  const { since, attempts } = failing ?? { since: now, attempts: 0 };
  return { ...counted, failing: { since, attempts: attempts + 1, reason: failure.reason } };
}

/** How long the oldest change has waited, in milliseconds. */
function waited([oldest]: readonly Pending[], { now }: RoundPorts): number {
  return oldest === undefined ? 0 : now() - Date.parse(oldest.change.time);
}

/** @returns undefined if the signal was aborted before there was an outcome */
async function attempt(
  webhook: Webhook,
  { items }: Delivery,
  skipped: number,
  ports: RoundPorts,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const { send, steadyNow, mayDeliver, onAttempt } = ports;
  // A process that was stopped for long may have lost the lease before its timers say so.
  if (!mayDeliver()) await untilAborted(signal);
  if (signal.aborted) return undefined;
  const begun = steadyNow();
  try {
    const changes = items.map(({ change }) => change);
    const outcome = await send(messageOf(webhook, changes, skipped, ports), signal);
    onAttempt(outcome, (steadyNow() - begun) / 1000);
    return outcome;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
