import { z } from 'zod';
import { type Batch, decodeBatch, hashSlot, type SlotHash } from '../journal/events.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import { jsonOf } from '../oci/json.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import { noteKey, robotSlotKey, slotKey } from '../storage/paths.ts';

/** A log of the store. */
export type Log = { readonly kind: 'repository'; readonly repo: RepositoryName } | { readonly kind: StoreLog };

/** The logs that a store has once. */
export const STORE_LOGS = ['notes', 'robots'] as const;
export type StoreLog = (typeof STORE_LOGS)[number];

export function slotKeyOf(log: Log, seq: number): Key {
  switch (log.kind) {
    case 'repository':
      return slotKey(log.repo, seq);
    case 'notes':
      return noteKey(seq);
    case 'robots':
      return robotSlotKey(seq);
    default:
      return unreachable(log);
  }
}

/** For messages. */
export function labelOf(log: Log): string {
  return log.kind === 'repository' ? log.repo : `the log of ${log.kind}`;
}

/** What all slots have in common. */
const header = z.object({ seq: z.int().positive(), prev: z.string(), at: z.iso.datetime() });
export type Header = z.infer<typeof header>;

/** @throws RegistryError `log-broken` */
export function headerOf(log: Log, seq: number, bytes: Uint8Array): Header {
  const parsed = header.safeParse(jsonOf(bytes));
  if (!parsed.success) throw brokenSlot(log, seq, 'it is no slot');
  if (parsed.data.seq !== seq) throw brokenSlot(log, seq, `it says it is slot ${parsed.data.seq}`);
  return parsed.data;
}

export interface LogPosition {
  readonly seq: number;
  readonly hash: SlotHash;
}

/**
 * Checks that a slot follows another.
 * @returns the position after it
 * @throws RegistryError `log-broken`
 */
export function advance(log: Log, after: LogPosition, bytes: Uint8Array): LogPosition & { readonly at: string } {
  const seq = after.seq + 1;
  const { prev, at } = headerOf(log, seq, bytes);
  if (prev !== after.hash) throw brokenSlot(log, seq, `it follows ${prev}, but slot ${after.seq} is ${after.hash}`);
  return { seq, hash: hashSlot(bytes), at };
}

/**
 * The batch in a slot of a repository's log.
 * @throws RegistryError `log-broken` if this version cannot read them, or if they are those of another repository
 */
export function batchOf(log: Log & { readonly repo: RepositoryName }, seq: number, bytes: Uint8Array): Batch {
  const decoded = decodeBatch(bytes);
  if ('problem' in decoded) throw brokenSlot(log, seq, decoded.problem);
  if (decoded.batch.repo !== log.repo) throw brokenSlot(log, seq, `it says it is of ${decoded.batch.repo}`);
  return decoded.batch;
}

export function brokenSlot(log: Log, seq: number, problem: string): RegistryError {
  const detail = log.kind === 'repository' ? { repo: log.repo, slot: seq } : { slot: seq };
  const message = `slot ${seq} of ${log.kind === 'repository' ? `the log of ${log.repo}` : labelOf(log)} cannot be used: ${problem}`;
  return new RegistryError('log-broken', message, detail);
}
