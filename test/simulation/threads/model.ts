// The rules of threads, small enough to try all interleavings of single steps. What the simulation cannot interrupt, because it is one
// turn of the event loop, is several steps here: the counters are read and written by other threads in between.

/** A deliberate bug. */
export interface ModelBug {
  /** A writer counts after it has acknowledged. */
  readonly countsLate?: boolean;
  /** A look remembers the count as it is at its end. */
  readonly remembersLater?: boolean;
  /** Who finds a slot never counts it. */
  readonly findsSilently?: boolean;
  /** A writer ends its announcement before it counts. */
  readonly endsEarly?: boolean;
  /** A writer that gives a creation up ends its announcement. */
  readonly endsGivenUp?: boolean;
  /** Who counts always remembers its own count. */
  readonly remembersOwn?: boolean;
}

/** A slot that a look has found but not applied, and whether a creation was announced after it was found. */
interface Found {
  readonly slot: number;
  readonly isAnnounced: boolean;
}

/** `Follower.catchUp`: what it will remember, and what it has found. `end`: no more. */
interface Look {
  readonly at: 'look';
  readonly seen: number;
  readonly found: Found | 'end' | undefined;
}

type Write =
  | Look
  | { readonly at: 'announce'; readonly slot: number }
  | { readonly at: 'create'; readonly slot: number }
  | { readonly at: 'apply'; readonly slot: number }
  | { readonly at: 'acknowledge'; readonly slot: number };

/** What was acknowledged and shown when the read began. */
type Read = Look & { readonly acknowledged: number; readonly shown: number };

interface Thread {
  /** The slot that the view is at, and the count that it remembers. */
  readonly seq: number;
  readonly seen: number;
  /** The slot that it has announced; 0: none. */
  readonly announced: number;
  readonly write: Write | undefined;
  readonly read: Read | undefined;
  readonly writesLeft: number;
  readonly readsLeft: number;
}

interface State {
  /** The newest slot of the log. */
  readonly length: number;
  readonly count: number;
  readonly acknowledged: number;
  /** The newest slot that any answer has shown. */
  readonly shown: number;
  /** Creations that were given up, and whose slots may still appear. */
  readonly late: readonly number[];
  /** How many more creations may be given up. */
  readonly losses: number;
  readonly threads: readonly Thread[];
  readonly violation: 'older than acknowledged' | 'older than shown' | undefined;
}

interface Step {
  readonly what: string;
  readonly to: State;
}

export interface ModelSize {
  /** For each thread, how many writes and reads it begins. */
  readonly threads: readonly (readonly [writes: number, reads: number])[];
  readonly losses: number;
}

export interface Explored {
  readonly states: number;
  /** The steps of a shortest violation. */
  readonly violation: readonly string[] | undefined;
}

/** Tries every order of steps, breadth first. */
export function exploreThreads(size: ModelSize, bug: ModelBug = {}): Explored {
  const threads = size.threads.map(
    ([writesLeft, readsLeft]): Thread => ({
      ...{ seq: 0, seen: 0, announced: 0, write: undefined, read: undefined },
      ...{ writesLeft, readsLeft },
    }),
  );
  const first: State = {
    ...{ length: 0, count: 0, acknowledged: 0, shown: 0, late: [], losses: size.losses, threads },
    violation: undefined,
  };
  const known = new Set([JSON.stringify(first)]);
  let frontier: { readonly state: State; readonly path: Path | undefined }[] = [{ state: first, path: undefined }];
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { state, path } of frontier) {
      for (const { what, to } of stepsFrom(state, bug)) {
        const key = JSON.stringify(to);
        if (known.has(key)) continue;
        known.add(key);
        const longer = { what, before: path };
        if (to.violation !== undefined) return { states: known.size, violation: [...stepsOf(longer), to.violation] };
        next.push({ state: to, path: longer });
      }
    }
    frontier = next;
  }
  return { states: known.size, violation: undefined };
}

interface Path {
  readonly what: string;
  readonly before: Path | undefined;
}

function stepsOf(path: Path | undefined): string[] {
  return path === undefined ? [] : [...stepsOf(path.before), path.what];
}

function* stepsFrom(state: State, bug: ModelBug): Generator<Step> {
  for (const [index, thread] of state.threads.entries()) {
    const change: Change = (what, changes, shared = {}) => {
      const changed = { ...thread, ...changes };
      // `Follower.#arrived`, in the step that advances the view.
      if (changed.announced > 0 && changed.seq >= changed.announced) changed.announced = 0;
      return { what: `${index} ${what}`, to: { ...state, ...shared, threads: state.threads.with(index, changed) } };
    };
    yield* writing(state, thread, bug, change);
    yield* reading(state, thread, bug, change);
  }
  for (const [index, slot] of state.late.entries()) {
    if (state.length !== slot - 1) continue;
    yield {
      what: `the late slot ${slot} appears`,
      to: { ...state, length: slot, late: state.late.toSpliced(index, 1) },
    };
  }
}

type Change = (what: string, changes: Partial<Thread>, shared?: Partial<State>) => Step;

/** `LogWriter` with `Resident` as its view. */
function* writing(state: State, thread: Thread, bug: ModelBug, change: Change): Generator<Step> {
  const { write, seq, seen } = thread;
  const { length, count } = state;
  switch (write?.at) {
    case undefined: {
      if (thread.writesLeft === 0) return;
      // `Resident.head`
      const next: Write = count === seen ? { at: 'announce', slot: seq + 1 } : begun(count);
      yield change('begins a write', { write: next, writesLeft: thread.writesLeft - 1 });
      return;
    }
    case 'look':
      yield* looking(
        state,
        thread,
        bug,
        write,
        change,
        (look) => ({ write: look }),
        (remembered) => change('has looked', { seen: remembered, write: { at: 'announce', slot: seq + 1 } }),
      );
      return;
    case 'announce':
      // `Resident.announce`, after a decision on the view before that slot.
      if (seq + 1 !== write.slot) yield change('decides again', { write: { at: 'announce', slot: seq + 1 } });
      else
        yield change(`announces ${write.slot}`, { announced: write.slot, write: { at: 'create', slot: write.slot } });
      return;
    case 'create':
      // `StorageDriver.create`
      if (length === write.slot - 1) {
        yield change(`creates ${write.slot}`, { write: { at: 'apply', slot: write.slot } }, { length: write.slot });
      } else if (length >= write.slot) yield change(`finds ${write.slot} taken`, { write: begun(count) });
      if (state.losses > 0) {
        const ended = bug.endsGivenUp === true ? { announced: 0 } : {};
        const lost = { losses: state.losses - 1, late: [...state.late, write.slot] };
        yield change(`gives ${write.slot} up`, { write: undefined, ...ended }, lost);
      }
      return;
    case 'apply': {
      // `Resident.apply`, `Follower.created`
      const acknowledge: Write = { at: 'acknowledge', slot: write.slot };
      if (bug.endsEarly === true && thread.announced > 0) yield change('ends its announcement', { announced: 0 });
      else if (seq >= write.slot) yield change(`has ${write.slot} from a look`, { write: acknowledge });
      else if (bug.countsLate === true) yield change(`applies ${write.slot}`, { seq: write.slot, write: acknowledge });
      else {
        const own = seen === count || bug.remembersOwn === true ? count + 1 : seen;
        const changes = { seq: write.slot, seen: own, write: acknowledge };
        yield change(`applies and counts ${write.slot}`, changes, { count: count + 1 });
      }
      return;
    }
    case 'acknowledge': {
      const shared = {
        acknowledged: Math.max(state.acknowledged, write.slot),
        count: count + (bug.countsLate ? 1 : 0),
      };
      yield change(`acknowledges ${write.slot}`, { write: undefined }, shared);
      return;
    }
  }
}

/** `MemoryProjection` for a resident repository. */
function* reading(state: State, thread: Thread, bug: ModelBug, change: Change): Generator<Step> {
  const { read, seq } = thread;
  const { count, acknowledged, shown } = state;
  const answer = (what: string, floor: Pick<Read, 'acknowledged' | 'shown'>, changes: Partial<Thread>): Step => {
    const late = seq < floor.shown ? 'older than shown' : undefined;
    const violation = seq < floor.acknowledged ? 'older than acknowledged' : late;
    return change(`${what} ${seq}`, changes, { shown: Math.max(shown, seq), violation });
  };
  if (read === undefined) {
    if (thread.readsLeft === 0) return;
    const readsLeft = thread.readsLeft - 1;
    if (count === thread.seen) yield answer('answers at once', { acknowledged, shown }, { readsLeft });
    else yield change('begins a read', { read: { ...begun(count), acknowledged, shown }, readsLeft });
    return;
  }
  yield* looking(
    state,
    thread,
    bug,
    read,
    change,
    (look) => ({ read: { ...read, ...look } }),
    (seen) => answer('answers', read, { seen, read: undefined }),
  );
}

function begun(count: number): Look {
  return { at: 'look', seen: count, found: undefined };
}

/** `Follower.catchUp`, one slot after another. */
function* looking(
  state: State,
  { seq }: Thread,
  bug: ModelBug,
  look: Look,
  change: Change,
  goOn: (look: Look) => Partial<Thread>,
  end: (remembered: number) => Step,
): Generator<Step> {
  const { found, seen } = look;
  const { count } = state;
  if (found === 'end') yield end(bug.remembersLater === true ? count : seen);
  else if (found === undefined) {
    if (state.length === seq) return yield change('finds no more', goOn({ ...look, found: 'end' }));
    const isAnnounced = state.threads.some(({ announced }) => announced > 0);
    yield change(`finds ${seq + 1}`, goOn({ ...look, found: { slot: seq + 1, isAnnounced } }));
  } else if (found.slot <= seq) yield change(`has ${found.slot} already`, goOn({ ...look, found: undefined }));
  else if (found.isAnnounced && bug.findsSilently !== true) {
    const own = seen === count || bug.remembersOwn === true ? count + 1 : seen;
    const changes = { seq: found.slot, ...goOn({ ...look, found: undefined, seen: own }) };
    yield change(`applies and counts ${found.slot}, which it found`, changes, { count: count + 1 });
  } else
    yield change(`applies ${found.slot}, which it found`, { seq: found.slot, ...goOn({ ...look, found: undefined }) });
}
