// The rules of notes, small enough to try all orders of steps: who writes a slot, who tells of it, who notes it, who reads.
import { type Explored, explore, type Step } from '../explore.ts';

/** A deliberate bug. */
export interface ModelBug {
  /** A writer hints before its slot exists, and a noter believes hints without a look. */
  readonly believesHints?: boolean;
  /** A writer hints before views show its slot. */
  readonly hintsEarly?: boolean;
  /** A sweep notes what the store has, not what views show. */
  readonly sweepsStore?: boolean;
  /** A noter writes what it has decided though another note took the slot. */
  readonly notesTwice?: boolean;
  /** Nothing finds what a crash left unnoted. */
  readonly neverSweeps?: boolean;
  /** A cursor for now is the newest note that anyone is writing, not the newest that exists. */
  readonly guessesNow?: boolean;
}

export interface ModelSize {
  readonly writers: number;
  readonly noters: number;
  /** Writers that may be killed at any step. */
  readonly crashes: number;
}

/** One process that writes one slot of the repository. */
type Writer =
  | { readonly at: 'begin' }
  | { readonly at: 'create'; readonly slot: number }
  | { readonly at: 'show'; readonly slot: number }
  | { readonly at: 'acknowledge'; readonly slot: number }
  | { readonly at: 'hint'; readonly slot: number }
  | { readonly at: 'end' };

/** One process that notes: what it has read of the notes, and what it is about to write. */
interface Noter {
  readonly at: 'idle' | 'look' | 'write';
  /** The note that it will write, and the slots that it will name. */
  readonly note: number;
  readonly from: number;
  readonly to: number;
}

type Reader =
  | { readonly at: 'begin' }
  /** It has a cursor: after how many notes, what was acknowledged by then, and what views showed. */
  | { readonly at: 'read'; readonly cursor: number; readonly acknowledged: number; readonly shown: number }
  | { readonly at: 'end'; readonly cursor: number; readonly acknowledged: number; readonly shown: number };

interface State {
  /** Slots of the repository's log. */
  readonly length: number;
  /** The newest slot that views show. */
  readonly shown: number;
  readonly acknowledged: readonly number[];
  /** The newest hint; 0: none. */
  readonly hint: number;
  /** What each note names. */
  readonly notes: readonly (readonly [from: number, to: number])[];
  readonly writers: readonly Writer[];
  readonly noters: readonly Noter[];
  readonly reader: Reader;
  readonly crashes: number;
  readonly sweeps: number;
  readonly violation: string | undefined;
}

const IDLE: Noter = { at: 'idle', note: 0, from: 0, to: 0 };

/** Tries every order of steps, breadth first. */
export function exploreNotes(size: ModelSize, bug: ModelBug = {}): Explored {
  const first: State = {
    ...{ length: 0, shown: 0, acknowledged: [], hint: 0, notes: [], reader: { at: 'begin' } },
    writers: Array.from({ length: size.writers }, () => ({ at: 'begin' })),
    noters: Array.from({ length: size.noters }, () => IDLE),
    ...{ crashes: size.crashes, sweeps: bug.neverSweeps === true ? 0 : 2, violation: undefined },
  };
  return explore(first, (state) => stepsFrom(state, bug), violationOf);
}

function violationOf(state: State, isEnd: boolean): string | undefined {
  if (state.violation !== undefined) return state.violation;
  const named = state.notes.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + 1 + index));
  if (named.some((slot, index) => slot !== index + 1)) return 'a slot is noted twice, or out of order';
  if (named.some((slot) => slot > state.length)) return 'a slot is noted that does not exist';
  // A client that was shown a change by the feed must find it in every later answer.
  if (named.some((slot) => slot > state.shown)) return 'a slot is noted that views do not show';
  const { reader } = state;
  if (reader.at !== 'end') return undefined;
  const after = state.notes.slice(reader.cursor).flatMap(([from, to]) => range(from, to));
  // It was acknowledged later than the cursor was taken, so it comes after the cursor, unless the state that was read with it had it.
  const missed = state.acknowledged
    .slice(reader.acknowledged)
    .find((slot) => slot > reader.shown && !after.includes(slot));
  if (isEnd && missed !== undefined) return `slot ${missed} never comes after the cursor`;
  return undefined;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + 1 + index);
}

function* stepsFrom(state: State, bug: ModelBug): Generator<Step<State>> {
  if (state.violation !== undefined) return;
  for (const [index, writer] of state.writers.entries()) yield* writing(state, index, writer, bug);
  for (const [index, noter] of state.noters.entries()) yield* noting(state, index, noter, bug);
  yield* reading(state, bug);
  // A sweep comes when no more happens to the writers, or before: both are tried.
  const found = bug.sweepsStore === true ? state.length : state.shown;
  if (state.sweeps > 0 && found > noted(state) && found > state.hint)
    yield { what: `a sweep finds ${found}`, to: { ...state, sweeps: state.sweeps - 1, hint: found } };
  // A view looks for slots that it does not have, its own and those of others.
  if (state.shown < state.length && bug.sweepsStore !== true)
    yield { what: `a view finds ${state.length}`, to: { ...state, shown: state.length } };
}

function* writing(state: State, index: number, writer: Writer, bug: ModelBug): Generator<Step<State>> {
  const go = (what: string, to: Writer, shared: Partial<State> = {}): Step<State> => ({
    what: `writer ${index} ${what}`,
    to: { ...state, ...shared, writers: state.writers.with(index, to) },
  });
  if (state.crashes > 0 && writer.at !== 'begin' && writer.at !== 'end')
    yield go('is killed', { at: 'end' }, { crashes: state.crashes - 1 });
  switch (writer.at) {
    case 'begin': {
      const slot = state.length + 1;
      const shared = bug.believesHints === true ? { hint: Math.max(state.hint, slot) } : {};
      yield go(`decides on ${slot}`, { at: 'create', slot }, shared);
      return;
    }
    case 'create':
      if (state.length >= writer.slot) yield go(`finds ${writer.slot} taken`, { at: 'create', slot: state.length + 1 });
      else if (bug.hintsEarly === true)
        yield go(
          `creates ${writer.slot}, and hints`,
          { at: 'show', slot: writer.slot },
          { length: writer.slot, hint: writer.slot },
        );
      else yield go(`creates ${writer.slot}`, { at: 'show', slot: writer.slot }, { length: writer.slot });
      return;
    case 'show':
      yield go(
        `shows ${writer.slot}`,
        { at: 'acknowledge', slot: writer.slot },
        { shown: Math.max(state.shown, writer.slot) },
      );
      return;
    case 'acknowledge': {
      const acknowledged = [...state.acknowledged, writer.slot];
      yield go(`acknowledges ${writer.slot}`, { at: 'hint', slot: writer.slot }, { acknowledged });
      return;
    }
    case 'hint':
      // Until then the hint is only in the memory of its process.
      yield go(`hints ${writer.slot}`, { at: 'end' }, { hint: Math.max(state.hint, writer.slot) });
      return;
    case 'end':
      return;
  }
}

function* noting(state: State, index: number, noter: Noter, bug: ModelBug): Generator<Step<State>> {
  const go = (what: string, to: Noter, shared: Partial<State> = {}): Step<State> => ({
    what: `noter ${index} ${what}`,
    to: { ...state, ...shared, noters: state.noters.with(index, to) },
  });
  const from = noted(state);
  switch (noter.at) {
    case 'idle':
      if (state.hint > from) yield go(`takes the hint ${state.hint}`, { ...IDLE, at: 'look', to: state.hint });
      return;
    case 'look':
      if (noter.to > state.length && bug.believesHints !== true)
        yield go(`finds no slot ${noter.to}`, IDLE, { hint: from });
      else if (noter.to <= from) yield go('has nothing to note', IDLE);
      else
        yield go(`decides on note ${state.notes.length + 1}`, {
          at: 'write',
          note: state.notes.length + 1,
          from,
          to: noter.to,
        });
      return;
    case 'write': {
      const written = { notes: [...state.notes, [noter.from, noter.to] as const] };
      if (state.notes.length < noter.note || bug.notesTwice === true)
        yield go(`notes ${noter.from + 1} to ${noter.to}`, IDLE, written);
      else yield go(`finds note ${noter.note} taken`, { ...noter, at: 'look' });
      return;
    }
  }
}

function* reading(state: State, bug: ModelBug): Generator<Step<State>> {
  const { reader } = state;
  if (reader.at === 'begin') {
    const isWriting = state.noters.some(({ at }) => at === 'write');
    const cursor = state.notes.length + (bug.guessesNow === true && isWriting ? 1 : 0);
    const taken = { cursor, acknowledged: state.acknowledged.length, shown: state.shown };
    yield {
      what: `a reader takes the cursor after note ${cursor}`,
      to: { ...state, reader: { at: 'read', ...taken } },
    };
  } else if (reader.at === 'read') {
    yield { what: 'the reader reads', to: { ...state, reader: { ...reader, at: 'end' } } };
  }
}

/** The newest slot that notes name. */
function noted({ notes }: State): number {
  return notes.at(-1)?.[1] ?? 0;
}
