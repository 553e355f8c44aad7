import { decodeNote } from '../feed/notes/events.ts';
import { DifferentHistory } from '../journal/replay.ts';
import type { Incarnation } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { noteKey } from '../storage/paths.ts';

/**
 * To be called after slots were received from the source, and before they are created here. If it succeeds, the source had decided them
 * before this store was promoted. So nothing that a former primary accepts after a promotion gets into the promoted store, even if a
 * process that follows has not noticed the promotion, or was stopped for long.
 * @param notes how far the process that follows knows the notes here
 * @throws DifferentHistory; errors of the store
 */
export async function requireUnpromoted(
  reader: Pick<StoreReader, 'read'>,
  notes: { readonly seq: number },
  instance: Incarnation,
): Promise<void> {
  // Another process of a cluster may have copied more notes.
  for (let seq = notes.seq + 1; ; seq++) {
    const bytes = await reader.read(noteKey(seq));
    if (bytes === undefined) return;
    const decoded = decodeNote(bytes);
    if ('problem' in decoded) continue;
    const isPromoted = decoded.batch.events.some(
      (event) => event.type === 'store.promoted' && event.instance === instance,
    );
    if (isPromoted) throw new DifferentHistory('the notes', seq);
  }
}
