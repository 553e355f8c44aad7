import type { RepositoryName } from '../oci/names.ts';
import type { Change } from './change.ts';
import { endOf, type Position } from './cursor.ts';
import type { Note } from './notes/note.ts';

/** One slot on the way of a reader, with the place before its first event. */
export interface Step {
  readonly repo: RepositoryName;
  readonly seq: number;
  /** The place just before this slot. */
  readonly before: Position;
  /** The place just after it, in this note. */
  readonly after: Position;
  readonly changes: readonly Change[];
}

export interface WalkPorts {
  readonly changes: (repo: RepositoryName, seq: number) => Promise<readonly Change[]> | readonly Change[];
  readonly includes: (repo: RepositoryName) => boolean;
  /** Slots that are read at the same time. */
  readonly ahead: number;
}

/**
 * The slots that a note names, from a place in it, of the repositories that are included. Slots are read ahead, because a store that is
 * far away would make each one wait.
 * @throws RegistryError `log-broken`; errors of the store
 */
export async function* slotsOf(note: Note, from: Position, ports: WalkPorts): AsyncGenerator<Step> {
  yield* readAhead(namedSlots(note, from, ports.includes), ports);
}

/**
 * The slots that a note names before a place in it, the last one first; of each, `changes` are in their order.
 * @param end undefined: all of the note
 * @throws as `slotsOf`
 */
export async function* slotsBefore(note: Note, end: Position | undefined, ports: WalkPorts): AsyncGenerator<Step> {
  yield* readAhead(namedSlotsBefore(note, end, ports.includes), ports);
}

async function* readAhead(named: Generator<NamedSlot>, ports: WalkPorts): AsyncGenerator<Step> {
  const window: Pending[] = [];
  for (;;) {
    while (window.length < ports.ahead) {
      const next = named.next();
      if (next.done === true) break;
      window.push({ ...next.value, changes: settled(ports.changes(next.value.repo, next.value.seq)) });
    }
    const first = window.shift();
    if (first === undefined) return;
    const outcome = first.changes instanceof Promise ? await first.changes : first.changes;
    if (outcome.kind === 'failed') throw outcome.error;
    yield { ...first, changes: outcome.changes };
  }
}

type Outcome =
  | { readonly kind: 'read'; readonly changes: readonly Change[] }
  | { readonly kind: 'failed'; readonly error: unknown };

interface NamedSlot {
  readonly repo: RepositoryName;
  readonly seq: number;
  readonly before: Position;
  readonly after: Position;
}

interface Pending extends NamedSlot {
  readonly changes: Promise<Outcome> | Outcome;
}

/** A read ahead of a slot that fails is reported only if the reader gets there. */
function settled(changes: Promise<readonly Change[]> | readonly Change[]): Promise<Outcome> | Outcome {
  if (!(changes instanceof Promise)) return { kind: 'read', changes };
  return changes.then(
    (found): Outcome => ({ kind: 'read', changes: found }),
    (error: unknown): Outcome => ({ kind: 'failed', error }),
  );
}

function* namedSlots(note: Note, start: Position, includes: WalkPorts['includes']): Generator<NamedSlot> {
  const { seq: number, events } = note.batch;
  for (let entry = start.entry; entry < events.length; entry++) {
    const event = events[entry];
    if (event?.type !== 'log.grew' || !includes(event.repo)) continue;
    const isFirst = entry === start.entry;
    const done = isFirst && start.seq > 0 ? start.seq : event.from;
    for (let seq = done + 1; seq <= event.to; seq++) {
      const index = isFirst && seq === done + 1 ? start.index : 0;
      const before: Position = { note: number, entry, seq: seq - 1, index };
      const after = seq < event.to ? { note: number, entry, seq, index: 0 } : afterEntry(note, entry);
      yield { repo: event.repo, seq, before, after };
    }
  }
}

function* namedSlotsBefore(
  note: Note,
  end: Position | undefined,
  includes: WalkPorts['includes'],
): Generator<NamedSlot> {
  const { seq: number, events } = note.batch;
  const last = end === undefined ? events.length - 1 : Math.min(end.entry, events.length - 1);
  for (let entry = last; entry >= 0; entry--) {
    const event = events[entry];
    if (event?.type !== 'log.grew' || !includes(event.repo)) continue;
    const to = entry === end?.entry ? end.seq : event.to;
    for (let seq = to; seq > event.from; seq--) {
      // The first slot of an entry comes right after the entry before.
      const before: Position = { note: number, entry, seq: seq - 1 === event.from ? 0 : seq - 1, index: 0 };
      const after = seq < event.to ? { note: number, entry, seq, index: 0 } : afterEntry(note, entry);
      yield { repo: event.repo, seq, before, after };
    }
  }
}

function afterEntry({ batch: { seq, events } }: Note, entry: number): Position {
  return entry + 1 < events.length ? { note: seq, entry: entry + 1, seq: 0, index: 0 } : endOf(seq);
}
