import type { Change } from '../feed/change.ts';

/** A change of a page that this webhook has not got yet. */
export interface Pending {
  readonly change: Change;
  /** Its place in the page. */
  readonly index: number;
}

/** What one request delivers. */
export interface Delivery {
  readonly items: readonly Pending[];
}

/**
 * Chooses what to send next, at the same time. Of each repository it is the oldest change, so that the order within a repository
 * holds: its next one is sent when that has been acknowledged. A format that takes several changes at a time gets one delivery, in order.
 * @param pending in the order of the feed
 * @param maxChanges of one delivery
 * @param maxDeliveries at the same time
 */
export function nextDeliveries(
  pending: readonly Pending[],
  maxChanges: number,
  maxDeliveries: number,
): readonly Delivery[] {
  if (pending.length === 0) return [];
  if (maxChanges > 1) return [{ items: pending.slice(0, maxChanges) }];
  const deliveries: Delivery[] = [];
  const repositories = new Set<string>();
  for (const each of pending) {
    if (deliveries.length === maxDeliveries) break;
    if (repositories.has(each.change.repository)) continue;
    repositories.add(each.change.repository);
    deliveries.push({ items: [each] });
  }
  return deliveries;
}

/**
 * Takes out the changes that are too old to be delivered.
 * @param before milliseconds: changes of an earlier time are too old
 */
export function splitExpired(
  pending: readonly Pending[],
  before: number,
): { readonly pending: readonly Pending[]; readonly expired: number } {
  const kept = pending.filter(({ change }) => Date.parse(change.time) >= before);
  return { pending: kept, expired: pending.length - kept.length };
}
