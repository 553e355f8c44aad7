import { z } from 'zod';
import type { Cursor } from '../feed/cursor.ts';
import { MAX_CURSOR } from '../feed/cursor.ts';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { webhookStateKey, webhookStates } from '../storage/paths.ts';
import type { WebhookName } from './webhook.ts';

const count = z.int().nonnegative();

const shape = z.object({
  v: z.literal(1),
  /** Everything before it was acknowledged by the receiver, skipped, or is not for this webhook. */
  cursor: z
    .string()
    .min(1)
    .max(MAX_CURSOR)
    .transform((text) => text as Cursor),
  /** When it began, or was last told to replay, in milliseconds. The age of older changes counts from then. */
  startedAt: z.number(),
  /** When this was stored, in milliseconds. */
  storedAt: z.number(),
  isPaused: z.boolean(),
  /** Skipped changes that no acknowledged delivery has reported yet. */
  unreported: count,
  /** Changes delivered and skipped, and attempts that failed, since the webhook began. */
  totals: z.object({ delivered: count, skipped: count, failed: count }),
  /** Failures in a row. */
  failing: z.object({ since: z.number(), attempts: count, reason: z.string().max(500) }).optional(),
  /** The ids of the last orders that were carried out. */
  orders: z.array(z.string()).readonly(),
});

/** What is stored of one webhook: how far it got, and how it is. */
export type WebhookState = Readonly<Omit<z.output<typeof shape>, 'v'>>;

export function newState(cursor: Cursor, now: number): WebhookState {
  return {
    ...{ cursor, startedAt: now, storedAt: now, isPaused: false, unreported: 0, orders: [] },
    totals: { delivered: 0, skipped: 0, failed: 0 },
  };
}

/** @throws Error if the stored state cannot be decoded: another version of Marina may have written it */
export async function loadState(
  reader: Pick<StoreReader, 'list' | 'read'>,
  name: WebhookName,
): Promise<WebhookState | undefined> {
  const newest = (await statesOf(reader, name)).at(-1);
  const bytes = newest === undefined ? undefined : await reader.read(newest);
  if (bytes === undefined) return undefined;
  const { v: _, ...state } = shape.parse(JSON.parse(new TextDecoder().decode(bytes)));
  return state;
}

type Driver = Pick<StoreReader, 'list' | 'read'> & Pick<ObjectStore, 'put' | 'delete'>;

/**
 * The states that one holder of the lease stores. They are under its term, so that a former holder that was only slow cannot overwrite
 * them: the state of the highest term counts.
 */
export class StateStore {
  readonly #driver: Driver;
  readonly #term: number;
  readonly #swept = new Set<WebhookName>();

  constructor(driver: Driver, term: number) {
    this.#driver = driver;
    this.#term = term;
  }

  load(name: WebhookName): Promise<WebhookState | undefined> {
    return loadState(this.#driver, name);
  }

  /** Resolves once it is durable. */
  async save(name: WebhookName, state: WebhookState): Promise<void> {
    const own = webhookStateKey(name, this.#term);
    await this.#driver.put(own, new TextEncoder().encode(JSON.stringify({ v: 1, ...state })));
    if (this.#swept.has(name)) return;
    const [failure] = await this.#driver.delete((await statesOf(this.#driver, name)).filter((key) => key < own));
    if (failure !== undefined) throw failure.cause;
    this.#swept.add(name);
  }
}

async function statesOf(reader: Pick<StoreReader, 'list'>, name: WebhookName): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const { key } of reader.list(webhookStates(name))) keys.push(key);
  return keys;
}
