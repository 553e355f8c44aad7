import { encodeNote } from '../../feed/notes/events.ts';
import { type Note, readNote } from '../../feed/notes/note.ts';
import { decodeNotesSnapshot, encodeNotesSnapshot } from '../../feed/notes/snapshot.ts';
import { NotesView } from '../../feed/notes/view.ts';
import { hashSlot } from '../../journal/events.ts';
import { NOTE_SNAPSHOTS, NOTES, noteKey, slotKey, slotOfNoteSnapshotKey } from '../../storage/paths.ts';
import { type Chain, type ChainCheckPorts, checkChain } from './chain-check.ts';

const CHAIN: Chain<Note, NotesView> = {
  ...{ log: 'notes', title: 'the log of notes', slots: NOTES, snapshots: NOTE_SNAPSHOTS },
  slotKey: noteKey,
  slotOfSnapshotKey: slotOfNoteSnapshotKey,
  read: readNote,
  isCanonical: ({ batch, hash }) => hashSlot(encodeNote(batch)) === hash,
  newView: (reader) => new NotesView(reader),
  compareSnapshot: async (bytes, seq, view) => {
    const snapshot = await decodeNotesSnapshot(bytes);
    if (snapshot?.seq !== seq) return 'unusable';
    if (view === undefined) return 'same';
    // Other versions of the compressor may give other bytes.
    const [found, expected] = await Promise.all([encodeNotesSnapshot(snapshot), encodeNotesSnapshot(view)]);
    return Buffer.from(found).equals(expected) ? 'same' : 'other';
  },
};

/** Checks the log of notes, and that every slot that it names exists. */
export async function checkNotes(check: ChainCheckPorts): Promise<void> {
  const view = await checkChain(CHAIN, check);
  for (const [repo, seq] of view?.reached ?? []) {
    if ((await check.reader.head(slotKey(repo, seq))) !== undefined) continue;
    const message = 'notes name this slot, but it does not exist: newer slots of the log were lost';
    await check.report({ severity: 'fault', problem: 'slot-missing', repo, slot: seq, message });
  }
}
