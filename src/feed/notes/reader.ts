import { LRUCache } from 'lru-cache';
import { NO_SLOT, type SlotHash } from '../../journal/events.ts';
import { READ_AHEAD } from '../../journal/log.ts';
import type { Durability, StoreReader } from '../../storage/driver.ts';
import { NOTE_SNAPSHOTS, noteKey, slotOfNoteSnapshotKey } from '../../storage/paths.ts';
import { brokenNote, type Note, readNote } from './note.ts';

export interface NotesReaderPorts {
  readonly driver: Pick<StoreReader, 'read' | 'head' | 'list'>;
  /** Absent in a process that only looks at the store from outside. */
  readonly confirm?: Durability['confirm'];
  /** The newest note; absent or undefined if only the store knows, because other processes may write notes, too. */
  readonly newest?: (() => number | undefined) | undefined;
}

/** Bytes of notes that are remembered: a few of the largest, and all of the usual size that a crowd of readers needs at once. */
const MEMORY = 8 * 1024 * 1024;
/** Decoded, a note takes about this many times the memory of its bytes. */
const DECODED = 4;

/** The notes as this thread reads them: each one is read once for all its readers. */
export class NotesReader {
  readonly #ports: NotesReaderPorts;
  readonly #notes = new LRUCache<number, Note>({ maxSize: MEMORY, sizeCalculation: ({ size }) => size * DECODED });
  readonly #reading = new Map<number, Promise<Note | undefined>>();
  #head = 0;
  #isOpen = false;
  #looking: Promise<void> | undefined;
  #nextLook: Promise<void> | undefined;

  constructor(ports: NotesReaderPorts) {
    this.#ports = ports;
  }

  /** The newest note that this thread knows. */
  get head(): number {
    return Math.max(this.#head, this.#ports.newest?.() ?? 0);
  }

  /**
   * Resolves once every note that was written before this call is known. Reads nothing if this process writes all notes. Otherwise one
   * look serves all calls that came before it.
   */
  async advance(): Promise<void> {
    if (this.#ports.newest?.() !== undefined) return;
    this.#nextLook ??= this.#lookAfter(this.#looking);
    await this.#nextLook;
  }

  /** @returns undefined if there is no such note. @throws RegistryError `log-broken`; errors of the store */
  async read(seq: number): Promise<Note | undefined> {
    const known = this.#notes.get(seq);
    if (known !== undefined) return known;
    const reading = this.#reading.get(seq) ?? this.#read(seq);
    this.#reading.set(seq, reading);
    try {
      return await reading;
    } finally {
      this.#reading.delete(seq);
    }
  }

  /** A note that exists. */
  async require(seq: number): Promise<Note> {
    const note = await this.read(seq);
    if (note === undefined) throw brokenNote(seq, 'it is missing, but later ones exist');
    return note;
  }

  /** The hash of a note; undefined if there is none. */
  async hashOf(seq: number): Promise<SlotHash | undefined> {
    return seq === 0 ? NO_SLOT : (await this.read(seq))?.hash;
  }

  async #read(seq: number): Promise<Note | undefined> {
    const { driver, confirm } = this.#ports;
    const note = await readNote(driver, seq);
    if (note === undefined) return undefined;
    // Another process may be writing it just now. A cursor must not name what a power cut can undo.
    await confirm?.(noteKey(seq));
    this.#notes.set(seq, note);
    return note;
  }

  async #lookAfter(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(ignoreReported);
    const look = this.#look();
    this.#looking = look;
    this.#nextLook = undefined;
    try {
      await look;
    } finally {
      if (this.#looking === look) this.#looking = undefined;
    }
  }

  async #look(): Promise<void> {
    if (!this.#isOpen) this.#head = Math.max(this.#head, await this.#newestSnapshot());
    this.#isOpen = true;
    for (let step = 1; ; step = Math.min(step * 2, READ_AHEAD)) {
      const next = Array.from({ length: step }, (_, index) => this.#head + 1 + index);
      const found = await Promise.all(next.map((seq) => this.#exists(seq)));
      const missing = found.indexOf(false);
      this.#head += missing < 0 ? step : missing;
      if (missing >= 0) return;
    }
  }

  async #exists(seq: number): Promise<boolean> {
    return (await this.#ports.driver.head(noteKey(seq))) !== undefined;
  }

  async #newestSnapshot(): Promise<number> {
    for await (const { key } of this.#ports.driver.list(NOTE_SNAPSHOTS)) return slotOfNoteSnapshotKey(key) ?? 0;
    return 0;
  }
}

/** The callers of `advance` that waited for the look before get its failure. */
function ignoreReported(): void {}
