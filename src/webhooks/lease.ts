import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import type { Key, ObjectStore, StoreReader } from '../storage/driver.ts';
import { termOfWebhookLease, WEBHOOK_LEASES, webhookLeaseKey } from '../storage/paths.ts';

const shape = z.object({
  v: z.literal(1),
  /** Unique for each claim. */
  holder: z.string(),
  /** Counts renewals. */
  beat: z.int(),
  isReleased: z.boolean(),
});
type LeaseRecord = z.output<typeof shape>;

/** A holder that has not renewed its lease for this long has lost it, in milliseconds. */
const LASTS_MS = 30_000;
/** A holder stops this long before another process may take over. */
const MARGIN_MS = 5_000;
const EVERY_MS = 8_000;

/** A point in time by two clocks, in milliseconds. */
interface Instant {
  readonly now: number;
  readonly wall: number;
}

interface Held {
  /** When the last renewal began. */
  renewed: Instant;
  readonly lost: AbortController;
  readonly released: AbortController;
}

export interface LeasePorts {
  readonly driver: Pick<StoreReader, 'list' | 'read'> & Pick<ObjectStore, 'create' | 'put' | 'delete'>;
  readonly newId: () => string;
  /** Milliseconds, of a clock that is never set back. */
  readonly now: () => number;
  /** Milliseconds since 1970. A machine that was suspended notices by this clock how long it was. */
  readonly wallNow: () => number;
  /** Resolves early, without an error, when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Whether no other process can use the store. Then the lease is claimed at once and never lost. */
  readonly isAlone: boolean;
  /** Called if the lease could not be renewed. It is tried again until the lease is lost. */
  readonly failed: (error: unknown) => void;
}

export interface Lease {
  /** Grows with each claim. */
  readonly term: number;
  /** Aborted when the lease is lost, before another process can have it. */
  readonly lost: AbortSignal;
  /** Whether it is not lost yet. A process that was stopped may ask before `lost` is aborted. */
  readonly isValid: () => boolean;
  /** To be called when the work under the lease has ended: the next process need not wait then. */
  readonly release: () => Promise<void>;
}

/**
 * Lets one process at a time deliver webhooks. A lease is an object that its holder overwrites every few seconds. Who has seen it
 * unchanged for as long as it lasts may create the one of the next term; only one can. No clocks are compared: each process
 * measures by its own how long nothing changed.
 *
 * A holder that was suspended in the middle of a request may still finish that one request late. Receivers must expect
 * repeated deliveries anyway.
 */
export class Leases {
  readonly #ports: LeasePorts;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
  }

  /** Waits for the lease. @returns undefined once the signal is aborted */
  async acquire(signal: AbortSignal): Promise<Lease | undefined> {
    let seen: { readonly content: string; readonly since: number } | undefined;
    while (!signal.aborted) {
      const head = await this.#head();
      const now = this.#ports.now();
      const content = head === undefined ? '' : `${head.term} ${JSON.stringify(head.record)}`;
      if (seen?.content !== content) seen = { content, since: now };
      const isFree = this.#ports.isAlone || head === undefined || head.record?.isReleased === true;
      if (isFree || now - seen.since >= LASTS_MS) {
        const lease = await this.#claim((head?.term ?? 0) + 1);
        if (lease !== undefined) return lease;
        continue;
      }
      await this.#ports.sleep(EVERY_MS, signal);
    }
    return undefined;
  }

  /** @returns undefined if another process was faster */
  async #claim(term: number): Promise<Lease | undefined> {
    const { driver, newId } = this.#ports;
    const key = webhookLeaseKey(term);
    const record: LeaseRecord = { v: 1, holder: newId(), beat: 0, isReleased: false };
    const begun = this.#instant();
    if (!(await this.#create(key, record))) return undefined;
    // A former holder deletes old terms, so a slow process can create one again. Then a later one exists.
    const terms = await this.#terms();
    if (terms.some((other) => other > term)) return undefined;
    await driver.delete(terms.filter((other) => other < term).map(webhookLeaseKey));
    return this.#hold(term, record, begun);
  }

  async #create(key: Key, record: LeaseRecord): Promise<boolean> {
    const { driver } = this.#ports;
    try {
      return (await driver.create(key, encode(record))) === 'created';
    } catch (error) {
      // There was no answer, so it may have been created.
      const stored = await driver.read(key);
      if (stored === undefined) throw error;
      return decode(stored)?.holder === record.holder;
    }
  }

  #hold(term: number, record: LeaseRecord, begun: Instant): Lease {
    const { driver, isAlone } = this.#ports;
    const held: Held = { renewed: begun, lost: new AbortController(), released: new AbortController() };
    const renewing = isAlone ? Promise.resolve() : this.#renew(term, record, held);
    return {
      term,
      lost: held.lost.signal,
      isValid: () => isAlone || this.#remaining(held) > 0,
      release: async () => {
        held.released.abort();
        await renewing;
        if (!held.lost.signal.aborted) await driver.put(webhookLeaseKey(term), encode({ ...record, isReleased: true }));
      },
    };
  }

  async #renew(term: number, record: LeaseRecord, held: Held): Promise<void> {
    const { driver, sleep, failed } = this.#ports;
    const ended = AbortSignal.any([held.released.signal, held.lost.signal]);
    void this.#loseInTime(held, ended);
    for (let beat = 1; !ended.aborted; beat++) {
      await sleep(EVERY_MS, ended);
      if (ended.aborted) return;
      const begun = this.#instant();
      try {
        if (this.#remaining(held) > 0) {
          await driver.put(webhookLeaseKey(term), encode({ ...record, beat }));
          if ((await driver.read(webhookLeaseKey(term + 1))) !== undefined) held.lost.abort();
        }
        // A renewal that took too long does not count: another process may have looked before it could be seen.
        if (this.#remaining(held) > 0) held.renewed = begun;
        else held.lost.abort();
      } catch (error) {
        failed(error);
      }
    }
  }

  /** A request to the store can hang, so the end of the lease does not wait for one. */
  async #loseInTime(held: Held, ended: AbortSignal): Promise<void> {
    for (;;) {
      const remaining = this.#remaining(held);
      if (ended.aborted) return;
      if (remaining <= 0) break;
      await this.#ports.sleep(remaining, ended);
    }
    held.lost.abort();
  }

  /** How long the holder may still work, in milliseconds, by the clock by which more time has passed. */
  #remaining({ renewed, lost }: Held): number {
    if (lost.signal.aborted) return 0;
    const { now, wall } = this.#instant();
    return LASTS_MS - MARGIN_MS - Math.max(now - renewed.now, wall - renewed.wall);
  }

  #instant(): Instant {
    return { now: this.#ports.now(), wall: this.#ports.wallNow() };
  }

  async #head(): Promise<{ readonly term: number; readonly record: LeaseRecord | undefined } | undefined> {
    const term = (await this.#terms()).at(-1);
    if (term === undefined) return undefined;
    const bytes = await this.#ports.driver.read(webhookLeaseKey(term));
    return { term, record: bytes === undefined ? undefined : decode(bytes) };
  }

  /** In ascending order. */
  async #terms(): Promise<number[]> {
    const terms: number[] = [];
    for await (const { key } of this.#ports.driver.list(WEBHOOK_LEASES)) {
      const term = termOfWebhookLease(key);
      if (term !== undefined) terms.push(term);
    }
    return terms;
  }
}

function encode(record: LeaseRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** undefined for what another version wrote: it counts as one that may be renewed. */
function decode(bytes: Uint8Array): LeaseRecord | undefined {
  return shape.safeParse(jsonOf(bytes)).data;
}
