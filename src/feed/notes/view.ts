import { NO_SLOT, type SlotHash } from '../../journal/events.ts';
import { eachAfter, READ_AHEAD } from '../../journal/log.ts';
import { isSnapshotDue, type LogTail } from '../../journal/snapshot-due.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { NOTE_SNAPSHOTS, slotOfNoteSnapshotKey } from '../../storage/paths.ts';
import { brokenNote, type Note, readNote } from './note.ts';
import { decodeNotesSnapshot, type NotesSnapshot } from './snapshot.ts';

/** The newest slot of every repository as far as notes say, folded from the newest snapshot and the notes after it. */
export class NotesView implements NotesSnapshot {
  readonly #driver: Pick<StoreReader, 'read' | 'list'>;
  #reached = new Map<RepositoryName, number>();
  #seq = 0;
  #hash: SlotHash = NO_SLOT;
  #at = 0;
  readonly #tail: LogTail = { slots: 0, bytes: 0, snapshotBytes: 0 };
  #isOpen = false;

  constructor(driver: Pick<StoreReader, 'read' | 'list'>) {
    this.#driver = driver;
  }

  get reached(): ReadonlyMap<RepositoryName, number> {
    return this.#reached;
  }

  /** The last applied note. */
  get seq(): number {
    return this.#seq;
  }

  /** The hash of that note. */
  get hash(): SlotHash {
    return this.#hash;
  }

  /** The time of that note, in milliseconds; 0 before the first one. */
  get at(): number {
    return this.#at;
  }

  /** Whether a new snapshot would save other processes much reading. */
  get isSnapshotDue(): boolean {
    return isSnapshotDue(this.#tail);
  }

  /** Called when a snapshot of this state was stored. */
  snapshotStored(bytes: number): void {
    Object.assign(this.#tail, { slots: 0, bytes: 0, snapshotBytes: bytes });
  }

  /**
   * Applies all new notes. If there are none, it costs one read of an absent object. Not for concurrent use.
   * @throws RegistryError `log-broken`; errors of the store
   */
  async refresh(): Promise<void> {
    if (!this.#isOpen) await this.#readSnapshot();
    this.#isOpen = true;
    for await (const note of eachAfter(this.#seq, READ_AHEAD, (seq) => readNote(this.#driver, seq))) this.apply(note);
  }

  /**
   * Applies the notes up to one that exists, from the nearest snapshot.
   * @throws RegistryError `log-broken`, also if the notes end before it; errors of the store
   */
  static async at(driver: Pick<StoreReader, 'read' | 'list'>, seq: number): Promise<NotesView> {
    const view = new NotesView(driver);
    await view.#readSnapshot(seq);
    while (view.#seq < seq) {
      const note = await readNote(driver, view.#seq + 1);
      if (note === undefined) throw brokenNote(view.#seq + 1, `it is missing, but slot ${seq} was asked for`);
      view.apply(note);
    }
    return view;
  }

  /** @throws RegistryError `log-broken` if the note does not follow the last one */
  apply({ batch, hash, size }: Note): void {
    if (batch.seq !== this.#seq + 1 || batch.prev !== this.#hash)
      throw brokenNote(batch.seq, `it does not follow slot ${this.#seq}: one of the two was altered`);
    for (const event of batch.events) {
      if (event.type !== 'log.grew') continue;
      const { repo, from, to } = event;
      const before = this.#reached.get(repo) ?? 0;
      if (from !== before) throw brokenNote(batch.seq, `it goes on after slot ${from} of ${repo}, not after ${before}`);
      this.#reached.set(repo, to);
    }
    this.#seq = batch.seq;
    this.#hash = hash;
    this.#at = Date.parse(batch.at);
    this.#tail.slots++;
    this.#tail.bytes += size;
  }

  /** @param upTo the last note that it may include; undefined: any */
  async #readSnapshot(upTo = Number.MAX_SAFE_INTEGER): Promise<void> {
    for await (const { key } of this.#driver.list(NOTE_SNAPSHOTS)) {
      const seq = slotOfNoteSnapshotKey(key);
      if (seq === undefined || seq > upTo) continue;
      const bytes = await this.#driver.read(key);
      const snapshot = bytes === undefined ? undefined : await decodeNotesSnapshot(bytes);
      if (bytes === undefined || snapshot?.seq !== seq) continue;
      this.#reached = new Map(snapshot.reached);
      this.#seq = snapshot.seq;
      this.#hash = snapshot.hash;
      this.#at = snapshot.at;
      this.snapshotStored(bytes.length);
      return;
    }
  }
}
