import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { WEBHOOKS_REPORT } from '../storage/paths.ts';
import type { RunnerStatus } from './runner.ts';

/** What a webhook is doing, for metrics. */
export interface WebhookStatus extends Pick<RunnerStatus, 'isPaused' | 'oldest' | 'failing' | 'totals'> {
  readonly name: string;
}

const count = z.int().nonnegative();

const shape = z.object({
  v: z.literal(1),
  /** When it was written, in milliseconds. */
  at: z.number(),
  webhooks: z.array(
    z.object({
      name: z.string(),
      isPaused: z.boolean(),
      oldest: z.string().optional(),
      failing: z.object({ since: z.number(), attempts: count, reason: z.string() }).optional(),
      totals: z.object({ delivered: count, skipped: count, failed: count }),
    }),
  ),
});

/** Writes what all webhooks are doing, for the metrics of other processes. It is a hint: it may be lost. */
export async function writeReport(
  driver: Pick<ObjectStore, 'put'>,
  statuses: readonly WebhookStatus[],
  now: number,
): Promise<void> {
  const webhooks = statuses.map(({ name, isPaused, oldest, failing, totals }) => ({
    ...{ name, isPaused, oldest, failing, totals },
  }));
  const bytes = new TextEncoder().encode(JSON.stringify({ v: 1, at: now, webhooks }));
  await driver.put(WEBHOOKS_REPORT, bytes, { durable: false });
}

/** @returns undefined if there is none, or another version wrote it */
export async function readReport(reader: Pick<StoreReader, 'read'>): Promise<readonly WebhookStatus[] | undefined> {
  const bytes = await reader.read(WEBHOOKS_REPORT);
  if (bytes === undefined) return undefined;
  return shape.safeParse(jsonOf(bytes)).data?.webhooks.map((each) => ({ ...each, oldest: each.oldest }));
}
