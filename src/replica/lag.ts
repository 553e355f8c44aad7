import { decodeNote } from '../feed/notes/events.ts';
import { brokenNote } from '../feed/notes/note.ts';
import { NotesView } from '../feed/notes/view.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey, slotKey } from '../storage/paths.ts';
import { bytesOf, slotOf } from './copy-logs.ts';
import type { ReplicationSource } from './interface.ts';
import type { ReplicaMark } from './mark.ts';
import { readMissing } from './missing-report.ts';
import { SourceAway, SourceRefused } from './source-errors.ts';
import { lastSlot } from './verify.ts';

/** Requests for slots; what more there is, is not counted. */
const MAX_REQUESTS = 200;
/** Logs of one request. */
const GROUP = 16;

/** What a replica lacks of what its source has noted. */
export interface Lag {
  readonly source: string;
  /** When it was promoted, ISO 8601. */
  readonly promoted: string | undefined;
  /** The last note here, and its time (ISO 8601). */
  readonly note: number;
  readonly noted: string | undefined;
  /** Why it is unknown; then the numbers are 0. */
  readonly problem: string | undefined;
  /** Objects that logs here link and that the source lacks or has damaged, as the server counted them last; undefined if unknown. */
  readonly missing: number | undefined;
  readonly repositories: number;
  /** Events of slots that are not here yet. */
  readonly changes: number;
  /** Of objects that are not here yet. */
  readonly bytes: number;
  /** Since the oldest of these slots was written. */
  readonly seconds: number;
  /** Whether there is more than was counted. */
  readonly isMore: boolean;
}

/** @param now milliseconds @throws errors of the store */
export async function lagOf(
  reader: StoreReader,
  source: Pick<ReplicationSource, 'slots' | 'storeLog'>,
  mark: ReplicaMark,
  now: number,
): Promise<Lag> {
  const notes = new NotesView(reader);
  await notes.refresh();
  const about = {
    source: mark.source,
    promoted: mark.promoted?.at,
    note: notes.seq,
    noted: notes.seq === 0 ? undefined : new Date(notes.at).toISOString(),
    problem: undefined,
    missing: await readMissing(reader),
  };
  try {
    return { ...about, ...(await countLag(reader, source, notes, now)) };
  } catch (error) {
    if (!(error instanceof SourceAway || error instanceof SourceRefused)) throw error;
    return { ...about, problem: error.message, ...NOTHING };
  }
}

const NOTHING = { repositories: 0, changes: 0, bytes: 0, seconds: 0, isMore: false };

async function countLag(
  reader: StoreReader,
  source: Pick<ReplicationSource, 'slots' | 'storeLog'>,
  notes: NotesView,
  now: number,
): Promise<Omit<Lag, 'source' | 'promoted' | 'note' | 'noted' | 'problem' | 'missing'>> {
  const targets = new Map<RepositoryName, number>();
  let requests = 0;
  let isMore = false;
  for (let after = notes.seq; ; ) {
    const { slots, more } = await source.storeLog('notes', after, 0);
    for (const text of slots) {
      const decoded = decodeNote(new TextEncoder().encode(text));
      if ('problem' in decoded) throw brokenNote(after + 1, decoded.problem);
      for (const event of decoded.batch.events) if (event.type === 'log.grew') targets.set(event.repo, event.to);
    }
    after += slots.length;
    if (!more) break;
    if (++requests > MAX_REQUESTS) {
      isMore = true;
      break;
    }
  }
  let pending: { readonly repo: RepositoryName; readonly after: number; readonly target: number }[] = [];
  for (const [repo, target] of targets) {
    const after = await lastSlot((seq) => slotKey(repo, seq), reader);
    if (after < target) pending.push({ repo, after, target });
  }
  const found = { repositories: pending.length, changes: 0, bytes: 0, seconds: 0 };
  const seen = new Set<Incarnation>();
  while (pending.length > 0) {
    if (++requests > MAX_REQUESTS) return { ...found, isMore: true };
    const group = pending.slice(0, GROUP);
    const { logs } = await source.slots(group);
    const left = [];
    for (const { repo, after, target } of group) {
      const answer = logs.find(({ repository }) => repository === repo);
      const texts = answer?.slots ?? [];
      for (const [index, text] of texts.entries()) {
        const { batch } = slotOf(text, repo, after + index + 1);
        found.changes += batch.events.length;
        found.seconds = Math.max(found.seconds, (now - Date.parse(batch.at)) / 1000);
        for (const { inc, size } of batch.events.flatMap(bytesOf)) {
          if (seen.has(inc)) continue;
          seen.add(inc);
          if ((await reader.head(dataKey(inc))) === undefined) found.bytes += size;
        }
      }
      const reached = after + texts.length;
      if (answer?.more === true && reached < target) left.push({ repo, after: reached, target });
    }
    pending = [...pending.slice(GROUP), ...left];
  }
  return { ...found, isMore };
}
