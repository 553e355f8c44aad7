import { hashSlot, type SlotHash } from '../../journal/events.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { robotSlotKey } from '../../storage/paths.ts';
import { decodeRobotBatch, type RobotBatch } from './events.ts';

export interface RobotSlot {
  readonly batch: RobotBatch;
  readonly hash: SlotHash;
  /** In bytes. */
  readonly size: number;
}

/**
 * Reads one slot; undefined if it does not exist yet.
 * @throws RegistryError `log-broken` if this version cannot use its bytes
 */
export async function readRobotSlot(
  driver: Pick<StoreReader, 'read'>,
  seq: number,
  signal?: AbortSignal,
): Promise<RobotSlot | undefined> {
  const bytes = await driver.read(robotSlotKey(seq), signal);
  if (bytes === undefined) return undefined;
  const decoded = decodeRobotBatch(bytes);
  if ('problem' in decoded) throw brokenSlot(seq, decoded.problem);
  const { batch } = decoded;
  if (batch.seq !== seq) throw brokenSlot(seq, `it says it is slot ${batch.seq}`);
  return { batch, hash: hashSlot(bytes), size: bytes.length };
}

/** For a slot that this version cannot use. */
export function brokenSlot(seq: number, problem: string): RegistryError {
  return new RegistryError('log-broken', `slot ${seq} of the log of robots cannot be used: ${problem}`, { slot: seq });
}
