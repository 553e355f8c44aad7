import { hashSlot, type SlotHash } from '../../journal/events.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { noteKey } from '../../storage/paths.ts';
import { decodeNote, type NoteBatch } from './events.ts';

/** A slot of the notes. */
export interface Note {
  readonly batch: NoteBatch;
  readonly hash: SlotHash;
  /** In bytes. */
  readonly size: number;
}

/**
 * Reads one note; undefined if it does not exist yet.
 * @throws RegistryError `log-broken` if this version cannot use its bytes
 */
export async function readNote(driver: Pick<StoreReader, 'read'>, seq: number): Promise<Note | undefined> {
  const bytes = await driver.read(noteKey(seq));
  if (bytes === undefined) return undefined;
  const decoded = decodeNote(bytes);
  if ('problem' in decoded) throw brokenNote(seq, decoded.problem);
  const { batch } = decoded;
  if (batch.seq !== seq) throw brokenNote(seq, `it says it is slot ${batch.seq}`);
  return { batch, hash: hashSlot(bytes), size: bytes.length };
}

/** For a note that this version cannot use. */
export function brokenNote(seq: number, problem: string): RegistryError {
  return new RegistryError('log-broken', `slot ${seq} of the notes cannot be used: ${problem}`, { slot: seq });
}
