import { z } from 'zod';
import { parseSince, type Since } from '../feed/feed.ts';
import { branded } from '../journal/branded.ts';
import { jsonOf } from '../oci/json.ts';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { WEBHOOK_ORDERS, webhookOrderKey } from '../storage/paths.ts';
import { parseWebhookName, type WebhookName } from './webhook.ts';

const since = z.string().transform((text, context): Since => {
  const parsed = parseSince(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'is no time' });
  return z.NEVER;
});

const pause = z.strictObject({ kind: z.literal('pause') });
const resume = z.strictObject({ kind: z.literal('resume') });
/** Deliver everything since then, also what was delivered before. */
const replay = z.strictObject({ kind: z.literal('replay'), since });
const action = z.discriminatedUnion('kind', [pause, resume, replay]);

/** An action as it is sent: `since` is text, which is valid. */
export const writtenAction = z.discriminatedUnion('kind', [
  pause,
  resume,
  replay.extend({ since: z.string().refine((text) => parseSince(text) !== undefined) }),
]);

/** What an operator wants of a webhook. */
export const orderSchema = z.strictObject({
  v: z.literal(1),
  webhook: branded<WebhookName>(parseWebhookName, 'the name of a webhook'),
  action,
});
export type Order = z.output<typeof orderSchema>;
/** As it is stored and sent: `since` is text. */
export type WrittenOrder = z.input<typeof orderSchema>;

/** An order in the store: the process that delivers carries it out, whichever that is. */
export interface StoredOrder {
  readonly key: Key;
  /** A ULID, so that later orders have greater ones. */
  readonly id: Incarnation;
  /** undefined: it cannot be decoded. */
  readonly order: Order | undefined;
}

/** Stores an order durably. @param id a new ULID */
export async function placeOrder(
  driver: Pick<ObjectStore, 'create'>,
  id: Incarnation,
  order: WrittenOrder,
): Promise<void> {
  await driver.create(webhookOrderKey(id), new TextEncoder().encode(JSON.stringify(order)));
}

/** The orders that have not been carried out, oldest first. */
export async function openOrders(driver: Pick<StoreReader, 'list' | 'read'>): Promise<readonly StoredOrder[]> {
  const orders: StoredOrder[] = [];
  for await (const { key } of driver.list(WEBHOOK_ORDERS)) {
    const id = parseIncarnation(key.slice(WEBHOOK_ORDERS.length));
    const bytes = id === undefined ? undefined : await driver.read(key);
    if (id !== undefined && bytes !== undefined) orders.push({ key, id, order: decode(bytes) });
  }
  return orders;
}

function decode(bytes: Uint8Array): Order | undefined {
  return orderSchema.safeParse(jsonOf(bytes)).data;
}
