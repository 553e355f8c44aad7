import { hashSlot } from '../../journal/events.ts';
import { untilAnswered } from '../../journal/until-answered.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../../oci/names.ts';
import type { Durability, ObjectStore, StoreReader } from '../../storage/driver.ts';
import { noteKey, noteSnapshotKey } from '../../storage/paths.ts';
import { encodeNote, NOTE_VERSION, type NoteBatch, type NoteEvent } from './events.ts';
import { readNote } from './note.ts';
import { encodeNotesSnapshot } from './snapshot.ts';
import { NotesView } from './view.ts';

/** How far logs have grown: the newest slot of each repository. A hint may be late or lost; a note is written only beyond those before. */
export type Hints = ReadonlyMap<RepositoryName, number>;

/** Events of one note. */
const MAX_EVENTS = 10_000;
/** Estimated bytes of one note. */
const MAX_BYTES = 512 * 1024;
/** Estimated bytes of an event without the name of its repository. */
const EVENT_BYTES = 60;
/** A note that is not confirmed by then is tried again later. */
const DEADLINE_MS = 10_000;

export type NotesStore = Pick<StoreReader, 'read' | 'list'> & Pick<ObjectStore, 'create'> & Pick<Durability, 'confirm'>;

export interface NotesLogPorts {
  readonly driver: NotesStore;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newId: () => Incarnation;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Name of this process in the log. */
  readonly node: string;
  /** Called if a snapshot could not be stored. A later note tries again. */
  readonly snapshotFailed: (error: unknown) => void;
}

/**
 * Writes notes. Any number of processes may do so concurrently: a slot can be created only by a process that has read the one before,
 * so no slot of a repository is noted twice. Not for concurrent use within a process.
 */
export class NotesLog {
  readonly view: NotesView;
  readonly #ports: NotesLogPorts;
  /** The last note that this process knows to be durable. */
  #durable = 0;
  /** Whether the view was at the newest note when this process looked last, or wrote it. */
  #isFresh = false;

  constructor(ports: NotesLogPorts) {
    this.#ports = ports;
    this.view = new NotesView(ports.driver);
  }

  /** Reads the notes of other processes. @throws errors of the store; RegistryError `log-broken` */
  async refresh(): Promise<void> {
    await this.view.refresh();
    this.#isFresh = true;
  }

  /** The hints that say more than the notes that this process has read. */
  beyond(hints: Hints): Map<RepositoryName, number> {
    const { reached } = this.view;
    return new Map([...hints].filter(([repo, to]) => to > (reached.get(repo) ?? 0)));
  }

  /**
   * Writes one note for as many of these as it can hold, or none if all are noted already. Resolves once it is durable.
   * @param hints slots that exist and that every view shows
   * @throws RegistryError `unavailable` if the store did not respond in time; `log-broken`
   */
  async append(hints: Hints): Promise<void> {
    const { now, newId, node } = this.#ports;
    const deadline = now() + DEADLINE_MS;
    do {
      // Otherwise the slot is found taken, if another process has written since.
      if (!this.#isFresh) await this.#untilAnswered(deadline, () => this.refresh());
      const events = this.#eventsOf(hints);
      if (events.length === 0) return;
      const { seq, hash, at } = this.view;
      // Another process may have written the last note, which must be durable before the next one follows it.
      if (seq > this.#durable) await this.#untilAnswered(deadline, () => this.#ports.driver.confirm(noteKey(seq)));
      this.#durable = seq;
      const batch: NoteBatch = {
        ...{ v: NOTE_VERSION, log: 'notes', seq: seq + 1, prev: hash, batch: newId(), node, events },
        at: new Date(Math.max(now(), at)).toISOString(),
      };
      const bytes = encodeNote(batch);
      if (await this.#untilAnswered(deadline, () => this.#create(batch, bytes))) {
        this.#durable = batch.seq;
        this.view.apply({ batch, hash: hashSlot(bytes), size: bytes.length });
        if (this.view.isSnapshotDue) await this.#storeSnapshot();
        return;
      }
      this.#isFresh = false;
    } while (now() < deadline);
    throw unconfirmed();
  }

  #eventsOf(hints: Hints): NoteEvent[] {
    const { reached } = this.view;
    const events: NoteEvent[] = [];
    let bytes = 0;
    for (const [repo, to] of [...this.beyond(hints)].sort(([a], [b]) => (a < b ? -1 : 1))) {
      bytes += EVENT_BYTES + repo.length;
      if (events.length === MAX_EVENTS || bytes > MAX_BYTES) break;
      events.push({ type: 'log.grew', repo, from: reached.get(repo) ?? 0, to });
    }
    return events;
  }

  /** Idempotent for the same batch. @returns false if the slot holds another process's note */
  async #create(batch: NoteBatch, bytes: Uint8Array): Promise<boolean> {
    const { driver } = this.#ports;
    const key = noteKey(batch.seq);
    if ((await driver.create(key, bytes)) === 'created') return true;
    await driver.confirm(key);
    const note = await readNote(driver, batch.seq);
    if (note === undefined) throw new Error('the slot is taken but cannot be read');
    return note.batch.batch === batch.batch;
  }

  /** Never rejects: the note that it follows is already durable. */
  async #storeSnapshot(): Promise<void> {
    const { view } = this;
    try {
      const key = noteSnapshotKey(view.seq);
      const bytes = await encodeNotesSnapshot(view);
      // `taken`: another process stored the same content first.
      await this.#ports.driver.create(key, bytes);
      view.snapshotStored(bytes.length);
    } catch (error) {
      this.#ports.snapshotFailed(error);
    }
  }

  /** @throws RegistryError `unavailable` at the deadline */
  #untilAnswered<T>(deadline: number, work: () => Promise<T>): Promise<T> {
    return untilAnswered(work, { ...this.#ports, deadline, unconfirmed });
  }
}

function unconfirmed(cause?: unknown): RegistryError {
  return new RegistryError('unavailable', 'a note was not confirmed in time', undefined, cause);
}
