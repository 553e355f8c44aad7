import { createHash } from 'node:crypto';
import type { Change } from '../feed/change.ts';
import type { Secret } from './secret.ts';

/**
 * The id of a delivery: it stays the same when the delivery is repeated, and no client can choose it. "It's important that both the
 * message id and the timestamp not be user controlled" (Standard Webhooks).
 */
export function deliveryId(changes: readonly Pick<Change, 'id'>[]): string {
  const hash = createHash('sha256');
  for (const { id } of changes) hash.update(id).update('\n');
  return `msg_${hash.digest('hex').slice(0, 32)}`;
}

/**
 * The headers that tell a receiver when a delivery was sent, and prove by whom:
 *
 *   X-Marina-Timestamp   seconds since 1970
 *   X-Marina-Signature   sha256=<hex HMAC of "<timestamp>.<body>">
 *   X-Signature          sha256=<hex HMAC of the body>, for Flux's receivers of type generic-hmac
 *   webhook-id, webhook-timestamp, webhook-signature   of Standard Webhooks
 *
 * Without a secret there are no signatures.
 * @param id as `deliveryId` has it
 * @param now milliseconds since 1970
 */
export function signedHeaders(
  id: string,
  body: string,
  secret: Secret | undefined,
  now: number,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const unsigned = { 'x-marina-timestamp': timestamp, 'webhook-id': id, 'webhook-timestamp': timestamp };
  if (secret === undefined) return unsigned;
  return {
    ...unsigned,
    'x-marina-signature': `sha256=${secret.hex(`${timestamp}.${body}`)}`,
    'x-signature': `sha256=${secret.hex(body)}`,
    'webhook-signature': `v1,${secret.standard(`${id}.${timestamp}.${body}`)}`,
  };
}
