import { z } from 'zod';
import type { Cursor } from '../feed/cursor.ts';
import { MAX_CURSOR } from '../feed/cursor.ts';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { WEBHOOK_STATES, webhookStatesKey } from '../storage/paths.ts';
import type { WebhookName } from './webhook.ts';

const count = z.int().nonnegative();

const one = z.object({
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

const shape = z.object({ v: z.literal(1), webhooks: z.record(z.string(), one) });

/** What is stored of one webhook: how far it got, and how it is. */
export type WebhookState = Readonly<z.output<typeof one>>;

export function newState(cursor: Cursor, now: number): WebhookState {
  return {
    ...{ cursor, startedAt: now, storedAt: now, isPaused: false, unreported: 0, orders: [] },
    totals: { delivered: 0, skipped: 0, failed: 0 },
  };
}

/**
 * The states of all webhooks, by name, as the last holder of the lease stored them.
 * @throws Error if they cannot be decoded: another version of Marina may have written them
 */
export async function loadStates(
  reader: Pick<StoreReader, 'list' | 'read'>,
): Promise<ReadonlyMap<string, WebhookState>> {
  const newest = (await keysOf(reader)).at(-1);
  const bytes = newest === undefined ? undefined : await reader.read(newest);
  if (bytes === undefined) return new Map();
  const { webhooks } = shape.parse(JSON.parse(new TextDecoder().decode(bytes)));
  return new Map(Object.entries(webhooks));
}

type Driver = Pick<StoreReader, 'list' | 'read'> & Pick<ObjectStore, 'put' | 'delete'>;

/**
 * The states that one holder of the lease stores, all in one object. Its key has the holder's term, so that a former holder that was
 * only slow cannot overwrite it: the object of the highest term counts. It also keeps webhooks that are not in the file any more.
 */
export class StateStore {
  readonly #driver: Driver;
  readonly #term: number;
  readonly #states: Map<string, WebhookState>;
  #isSwept = false;
  /** The write in progress; never rejects. */
  #current: Promise<void> = Promise.resolve();
  /** The write that begins when it has ended. */
  #next: Promise<void> | undefined;

  private constructor(driver: Driver, term: number, states: ReadonlyMap<string, WebhookState>) {
    this.#driver = driver;
    this.#term = term;
    this.#states = new Map(states);
  }

  /** @throws as `loadStates` */
  static async open(driver: Driver, term: number): Promise<StateStore> {
    return new StateStore(driver, term, await loadStates(driver));
  }

  /** The newest state; undefined if nothing was stored of this webhook. */
  get(name: WebhookName): WebhookState | undefined {
    return this.#states.get(name);
  }

  /** Resolves once it is durable. Webhooks that save at about the same time share a write. */
  save(name: WebhookName, state: WebhookState): Promise<void> {
    this.#states.set(name, state);
    this.#next ??= this.#writeNext();
    return this.#next;
  }

  async #writeNext(): Promise<void> {
    await this.#current;
    this.#next = undefined;
    const writing = this.#write();
    // Those who save get the failure.
    this.#current = writing.catch(() => {});
    await writing;
  }

  async #write(): Promise<void> {
    const own = webhookStatesKey(this.#term);
    const content = JSON.stringify({ v: 1, webhooks: Object.fromEntries(this.#states) });
    await this.#driver.put(own, new TextEncoder().encode(content));
    if (this.#isSwept) return;
    const [failure] = await this.#driver.delete((await keysOf(this.#driver)).filter((key) => key < own));
    if (failure !== undefined) throw failure.cause;
    this.#isSwept = true;
  }
}

/** In ascending order of their terms. */
async function keysOf(reader: Pick<StoreReader, 'list'>): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const { key } of reader.list(WEBHOOK_STATES)) keys.push(key);
  return keys;
}
