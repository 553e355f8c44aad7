import { decodeNote } from '../feed/notes/events.ts';
import { newestSlot } from '../journal/newest-slot.ts';
import type { StoreReader } from '../storage/driver.ts';
import { noteKey } from '../storage/paths.ts';

/** How far a replica is behind this store, as far as it is known from the last note that it has. */
export interface Behind {
  /** Notes that it does not have; 0 also for one that says it has more than there are. */
  readonly notes: number;
  /** When the oldest of them was written, in milliseconds; undefined if there is none. */
  readonly since: number | undefined;
}

/** @returns a function from the last note that a replica has @throws errors of the store */
export async function behindOf(reader: StoreReader): Promise<(note: number) => Promise<Behind>> {
  const newest = await newestSlot(async (seq) => (await reader.head(noteKey(seq))) !== undefined, 0);
  return async (note) => {
    if (note >= newest) return { notes: 0, since: undefined };
    const bytes = await reader.read(noteKey(note + 1));
    const decoded = bytes === undefined ? undefined : decodeNote(bytes);
    const at = decoded !== undefined && 'batch' in decoded ? Date.parse(decoded.batch.at) : undefined;
    return { notes: newest - note, since: at };
  };
}
