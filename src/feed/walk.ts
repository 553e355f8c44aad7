import type { RepositoryName } from '../oci/names.ts';
import type { Change } from './change.ts';
import { endOf, type Position } from './cursor.ts';
import type { Note } from './notes/note.ts';
import type { Pace } from './pace.ts';

export type Step = SlotStep | PassedStep;

/** One slot on the way of a reader, with the place before its first event. */
export interface SlotStep extends NamedSlot {
  readonly changes: readonly Change[];
}

/** MAX_PASSED events that are not included. The reader gets this step so that it can check the time. */
export interface PassedStep {
  readonly kind: 'passed';
  /** The place on the other side of them. */
  readonly reached: Position;
}

interface NamedSlot {
  readonly kind: 'slot';
  readonly repo: RepositoryName;
  readonly seq: number;
  /** The place just before this slot. */
  readonly before: Position;
  /** The place just after it, in this note. */
  readonly after: Position;
}

/** Events that are passed without a step. */
const MAX_PASSED = 256;

export interface WalkPorts {
  readonly changes: (repo: RepositoryName, seq: number) => Promise<readonly Change[]> | readonly Change[];
  readonly includes: (repo: RepositoryName) => boolean;
  /** Slots that are read at the same time. */
  readonly ahead: number;
  readonly pace: Pace;
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

async function* readAhead(named: Generator<NamedSlot | PassedStep>, ports: WalkPorts): AsyncGenerator<Step> {
  const window: (Pending | PassedStep)[] = [];
  for (;;) {
    while (window.length < ports.ahead) {
      // The page ends soon, so nothing more is prepared for it.
      if (window.length > 0 && ports.pace.isLate) break;
      const next = named.next();
      if (next.done === true) break;
      const step = next.value;
      if (step.kind === 'passed') {
        window.push(step);
        await ports.pace.yield();
      } else window.push({ ...step, outcome: settled(ports.changes(step.repo, step.seq)) });
    }
    const first = window.shift();
    if (first === undefined) return;
    if (first.kind === 'passed') {
      yield first;
      continue;
    }
    const { outcome: reading, ...slot } = first;
    const outcome = reading instanceof Promise ? await reading : reading;
    if (outcome.kind === 'failed') throw outcome.error;
    yield { ...slot, changes: outcome.changes };
  }
}

type Outcome =
  | { readonly kind: 'read'; readonly changes: readonly Change[] }
  | { readonly kind: 'failed'; readonly error: unknown };

interface Pending extends NamedSlot {
  readonly outcome: Promise<Outcome> | Outcome;
}

/** A read ahead of a slot that fails is reported only if the reader gets there. */
function settled(changes: Promise<readonly Change[]> | readonly Change[]): Promise<Outcome> | Outcome {
  if (!(changes instanceof Promise)) return { kind: 'read', changes };
  return changes.then(
    (found): Outcome => ({ kind: 'read', changes: found }),
    (error: unknown): Outcome => ({ kind: 'failed', error }),
  );
}

function* namedSlots(note: Note, start: Position, includes: WalkPorts['includes']): Generator<NamedSlot | PassedStep> {
  const { seq: number, events } = note.batch;
  let passed = 0;
  for (let entry = start.entry; entry < events.length; entry++) {
    const event = events[entry];
    if (event?.type !== 'log.grew' || !includes(event.repo)) {
      if (++passed % MAX_PASSED === 0) yield { kind: 'passed', reached: afterEntry(note, entry) };
      continue;
    }
    const isFirst = entry === start.entry;
    const done = isFirst && start.seq > 0 ? start.seq : event.from;
    for (let seq = done + 1; seq <= event.to; seq++) {
      const index = isFirst && seq === done + 1 ? start.index : 0;
      const before: Position = { note: number, entry, seq: seq - 1, index };
      const after = seq < event.to ? { note: number, entry, seq, index: 0 } : afterEntry(note, entry);
      yield { kind: 'slot', repo: event.repo, seq, before, after };
    }
  }
}

function* namedSlotsBefore(
  note: Note,
  end: Position | undefined,
  includes: WalkPorts['includes'],
): Generator<NamedSlot | PassedStep> {
  const { seq: number, events } = note.batch;
  let passed = 0;
  const last = end === undefined ? events.length - 1 : Math.min(end.entry, events.length - 1);
  for (let entry = last; entry >= 0; entry--) {
    const event = events[entry];
    if (event?.type !== 'log.grew' || !includes(event.repo)) {
      if (++passed % MAX_PASSED === 0) yield { kind: 'passed', reached: { note: number, entry, seq: 0, index: 0 } };
      continue;
    }
    const to = entry === end?.entry ? end.seq : event.to;
    for (let seq = to; seq > event.from; seq--) {
      // The first slot of an entry comes right after the entry before.
      const before: Position = { note: number, entry, seq: seq - 1 === event.from ? 0 : seq - 1, index: 0 };
      const after = seq < event.to ? { note: number, entry, seq, index: 0 } : afterEntry(note, entry);
      yield { kind: 'slot', repo: event.repo, seq, before, after };
    }
  }
}

function afterEntry({ batch: { seq, events } }: Note, entry: number): Position {
  return entry + 1 < events.length ? { note: seq, entry: entry + 1, seq: 0, index: 0 } : endOf(seq);
}
