import { READ_AHEAD } from '../journal/log.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Durability, StoreReader } from '../storage/driver.ts';
import type { Change } from './change.ts';
import { BEGINNING, type Cursor, CursorCodec, checkOf, endOf, isAtStart, type Place, type Position } from './cursor.ts';
import type {
  ChangePage,
  Feed,
  LatestChanges,
  LatestOptions,
  LatestPage,
  PageOptions,
  Since,
  WaitOptions,
} from './feed.ts';
import type { Note } from './notes/note.ts';
import { NotesReader } from './notes/reader.ts';
import { Pace, type PageTime, Turns } from './pace.ts';
import { SlotChanges } from './slot-changes.ts';
import { type Doorbell, Waiters } from './waiters.ts';
import { type SlotStep, slotsBefore, slotsOf, type WalkPorts } from './walk.ts';

export interface LogFeedPorts {
  readonly driver: StoreReader;
  /** As for NotesReader. */
  readonly confirm?: Durability['confirm'];
  readonly newest?: (() => number | undefined) | undefined;
  /** The store's ULID. */
  readonly store: string;
  readonly doorbell: Doorbell;
  readonly time: PageTime;
  /** The newest note could not be looked for, for those who wait. Called once until a look succeeds. */
  readonly lookFailed: (error: unknown) => void;
}

/** Slots read for one page. */
const MAX_SLOTS = 10_000;
/** Notes read for one page. */
const MAX_NOTES = 1_000;
/** Repositories of which a page remembers whether they are included. */
const MAX_REMEMBERED = 10_000;
/** Clocks of nodes differ by less than this, in milliseconds. */
const CLOCK_DIFFERENCE_MS = 30_000;
/** Of a feed that begins at a time, changes of this many milliseconds before it may come too. */
const SLACK_MS = 5_000;

/** Reads changes from the slots that notes name. */
export class LogFeed implements Feed, LatestChanges {
  readonly #codec: CursorCodec;
  readonly #notes: NotesReader;
  readonly #slots: SlotChanges;
  readonly #waiters: Waiters;
  readonly #time: PageTime;
  readonly #turns: Turns;

  constructor(ports: LogFeedPorts) {
    this.#time = ports.time;
    this.#turns = new Turns(ports.time);
    this.#codec = new CursorCodec(ports.store);
    this.#notes = new NotesReader(ports);
    this.#slots = new SlotChanges(ports.driver);
    this.#waiters = new Waiters(ports.doorbell, this.#notes, ports.lookFailed);
  }

  /** Readers that wait. */
  get waiting(): number {
    return this.#waiters.count;
  }

  async start(since: Since): Promise<Cursor> {
    switch (since.kind) {
      case 'beginning':
        return await this.#cursorAt(BEGINNING, undefined);
      case 'now':
        await this.#notes.advance();
        return await this.#cursorAt(endOf(this.#notes.head), undefined);
      case 'time':
        return await this.#startAt(since.at);
      case 'cursor':
        // Checked, and then given back as it is.
        await this.#open(since.text);
        return since.text as Cursor;
      default:
        return unreachable(since);
    }
  }

  async page(cursor: Cursor, { filter, limit, signal }: PageOptions): Promise<ChangePage> {
    const place = await this.#open(cursor);
    await this.#notes.advance();
    const page = new PageInProgress(limit, filter.types);
    const pace = new Pace(signal, this.#time, this.#turns);
    const walk = this.#walk(filter, limit, pace);
    const first = place.position.note;
    const head = Math.min(this.#notes.head, first + MAX_NOTES - 1);
    for (let number = first; number <= head && page.end === undefined; number++) {
      await pace.yield();
      if (number > first && pace.isLate) {
        page.end = endOf(number - 1);
        break;
      }
      const note = await this.#notes.require(number);
      const from = number === first ? place.position : endOf(number - 1);
      for await (const step of slotsOf(note, from, walk)) {
        if (step.kind === 'passed') {
          if (pace.isLate) page.end = step.reached;
        } else {
          // Each page makes progress.
          const isLate = page.slots > 0 && pace.isLate;
          if (page.slots === MAX_SLOTS || isLate) page.end = step.before;
          else page.take(step, isSkipped(place, note));
        }
        if (page.end !== undefined) break;
        await pace.yield();
      }
    }
    const end = page.end ?? endOf(Math.max(head, place.position.note - 1));
    const encode = await this.#encoder(end, page.positions, place.skip);
    return {
      changes: page.changes,
      cursor: encode(end),
      more: end.note <= this.#notes.head,
      cursorAfter: (index) => encode(page.positions[index] ?? place.position),
    };
  }

  async latest({ before, filter, limit, signal }: LatestOptions): Promise<LatestPage> {
    const place = before === undefined ? undefined : await this.#open(before);
    await this.#notes.advance();
    const { head } = this.#notes;
    const end = place?.position ?? endOf(head);
    const pace = new Pace(signal, this.#time, this.#turns);
    const walk = this.#walk(filter, limit, pace);
    const changes: Change[] = [];
    const first = isAtStart(end) ? end.note - 1 : end.note;
    let earlier: Position | undefined;
    let slots = 0;
    for (let number = first; number >= 1 && earlier === undefined; number--) {
      await pace.yield();
      if (first - number === MAX_NOTES || (number < first && pace.isLate)) {
        earlier = endOf(number);
        break;
      }
      const note = await this.#notes.require(number);
      const from = number === end.note ? end : undefined;
      for await (const step of slotsBefore(note, from, walk)) {
        if (step.kind === 'passed') {
          if (pace.isLate) earlier = step.reached;
        } else {
          const found = step.changes.filter(({ type }) => filter.types?.has(type) !== false);
          changes.push(...found.reverse());
          const isFull = changes.length >= limit || ++slots === MAX_SLOTS || pace.isLate;
          if (isFull) earlier = step.before;
        }
        if (earlier !== undefined) break;
        await pace.yield();
      }
    }
    const now = await this.#cursorAt(endOf(head), undefined);
    const isAll = earlier === undefined || (earlier.note === 1 && isAtStart(earlier));
    return {
      changes,
      earlier: isAll || earlier === undefined ? undefined : await this.#cursorAt(earlier, undefined),
      now,
    };
  }

  async wait(cursor: Cursor, options: WaitOptions): Promise<void> {
    const { position } = await this.#open(cursor);
    // A place inside a note is before something that exists.
    if (isAtStart(position)) await this.#waiters.wait(position.note, options);
  }

  #walk({ includes }: PageOptions['filter'], limit: number, pace: Pace): WalkPorts {
    const changes = this.#slots.of.bind(this.#slots);
    return { changes, includes: remembered(includes), ahead: Math.min(READ_AHEAD, limit), pace };
  }

  /** A cursor from which every change of this time or later comes. */
  async #startAt(at: number): Promise<Cursor> {
    await this.#notes.advance();
    const { head } = this.#notes;
    // Notes are never earlier than those before them, and at most the clocks' difference earlier than the changes that they name.
    let [low, high] = [1, head + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { batch } = await this.#notes.require(middle);
      if (Date.parse(batch.at) < at - CLOCK_DIFFERENCE_MS) low = middle + 1;
      else high = middle;
    }
    return await this.#cursorAt(endOf(low - 1), { before: Math.max(0, at - SLACK_MS), upTo: head });
  }

  async #cursorAt(position: Position, skip: Place['skip']): Promise<Cursor> {
    return (await this.#encoder(position, [], skip))(position);
  }

  /** @returns writes cursors for these positions; the notes that their checks need have been read */
  async #encoder(
    end: Position,
    positions: readonly Position[],
    skip: Place['skip'],
  ): Promise<(position: Position) => Cursor> {
    const checks = new Map<number, string>();
    for (const position of [end, ...positions]) {
      const note = checkedNote(position);
      if (!checks.has(note)) checks.set(note, checkOf(await this.#requireHash(note)));
    }
    return (position) => {
      const check = checks.get(checkedNote(position)) ?? '';
      return this.#codec.encode({
        position,
        check,
        skip: skip !== undefined && position.note > skip.upTo ? undefined : skip,
      });
    };
  }

  async #requireHash(note: number): Promise<string> {
    const hash = await this.#notes.hashOf(note);
    if (hash === undefined) throw cursorUnknown();
    return hash;
  }

  /** @throws RegistryError `cursor-invalid`, `cursor-unknown` */
  async #open(text: string): Promise<Place> {
    const place = this.#codec.decode(text);
    const { position, check } = place;
    const number = checkedNote(position);
    if (number > this.#notes.head) await this.#notes.advance();
    if (number > this.#notes.head || checkOf((await this.#notes.hashOf(number)) ?? '') !== check) throw cursorUnknown();
    if (!isAtStart(position)) requireInside(position, await this.#notes.require(number));
    return place;
  }
}

/** Collects the changes of one page. */
class PageInProgress {
  readonly changes: Change[] = [];
  /** The place after each change. */
  readonly positions: Position[] = [];
  /** Slots that were read. */
  slots = 0;
  /** Where the page ends; undefined: it has room. */
  end: Position | undefined;
  readonly #limit: number;
  readonly #types: PageOptions['filter']['types'];

  constructor(limit: number, types: PageOptions['filter']['types']) {
    this.#limit = limit;
    this.#types = types;
  }

  take({ before, after, changes }: SlotStep, isSkipped: (change: Change) => boolean): void {
    this.slots++;
    const last = changes.at(-1);
    for (const change of changes) {
      if (change.index < before.index || isSkipped(change) || this.#types?.has(change.type) === false) continue;
      const position = change === last ? after : { ...before, index: change.index + 1 };
      this.changes.push(change);
      this.positions.push(position);
      if (this.changes.length < this.#limit) continue;
      this.end = position;
      return;
    }
  }
}

/** The same repositories are in many notes, and each question costs a glob and the rules. */
function remembered(includes: PageOptions['filter']['includes']): PageOptions['filter']['includes'] {
  const known = new Map<RepositoryName, boolean>();
  return (repo) => {
    const answer = known.get(repo) ?? includes(repo);
    if (known.size < MAX_REMEMBERED) known.set(repo, answer);
    return answer;
  };
}

/** The note whose hash a cursor has. */
function checkedNote(position: Position): number {
  return isAtStart(position) ? position.note - 1 : position.note;
}

function isSkipped({ skip }: Place, { batch }: Note): (change: Change) => boolean {
  if (skip === undefined || batch.seq > skip.upTo) return () => false;
  return ({ time }) => Date.parse(time) < skip.before;
}

function requireInside({ entry, seq }: Position, { batch }: Note): void {
  const event = batch.events[entry];
  const isEnd = entry === batch.events.length && seq === 0;
  if (isEnd) return;
  const isInside =
    event !== undefined && (seq === 0 || (event.type === 'log.grew' && seq >= event.from && seq < event.to));
  if (!isInside) throw cursorUnknown();
}

function cursorUnknown(): RegistryError {
  return new RegistryError(
    'cursor-unknown',
    'this registry does not know this place any more: its store was replaced by an older copy. Begin at a time instead',
  );
}
