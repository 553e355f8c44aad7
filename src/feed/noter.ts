import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { slotKey } from '../storage/paths.ts';
import { type HintBoard, raise } from './hint-board.ts';
import type { Hints, NotesLog } from './notes/log.ts';

export interface NoterPorts {
  readonly log: Pick<NotesLog, 'refresh' | 'append' | 'beyond' | 'view'>;
  readonly board: HintBoard;
  readonly driver: Pick<StoreReader, 'head'>;
  /** Whether the store may be written to. While it may not, hints wait. */
  readonly mayWrite: () => boolean;
  /** Resolves early when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Called after each note, with its number, and with that of the newest one at the start. */
  readonly onNote: (seq: number) => void;
  /** Notes cannot be written. Called once until one was written. */
  readonly onFailure: (error: unknown) => void;
}

/** Hints of one moment are noted together: an image is pushed by several writes. */
const GATHER_MS = 20;
/** After a failure, and while the store is read-only. */
const RETRY_MS = 1_000;
/** Hints that this process holds at most. What it drops then, a sweep finds. */
const MAX_HINTS = 100_000;
/** Slots that are looked for at the same time. */
const LOOKS = 16;
/** How long `close` may take, in milliseconds. */
const CLOSE_WITHIN_MS = 3_000;

/** Writes notes for the hints that it gets: the first at once, then about one a second, and none while nothing happens. */
export class Noter {
  readonly #ports: NoterPorts;
  readonly #closing = new AbortController();
  /** Hints that are not on the board yet. */
  #fresh = new Map<RepositoryName, number>();
  /** What this process has hinted and not seen noted: it knows that these slots exist. */
  readonly #own = new Map<RepositoryName, number>();
  #running: Promise<void> | undefined;
  #isFailing = false;

  constructor(ports: NoterPorts) {
    this.#ports = ports;
  }

  /** Reads the notes there are. @throws errors of the store; RegistryError `log-broken` */
  async open(): Promise<void> {
    const { log, onNote } = this.#ports;
    await log.refresh();
    onNote(log.view.seq);
  }

  /** A repository's log has this slot, and every view shows it. Returns at once. */
  hint(repo: RepositoryName, seq: number): void {
    if (this.#fresh.size < MAX_HINTS || this.#fresh.has(repo)) raise(this.#fresh, repo, seq);
    if (this.#ports.board.isShared && this.#own.size < MAX_HINTS) raise(this.#own, repo, seq);
    this.wake();
  }

  /** Looks whether there is something to note, if it does not already. */
  wake(): void {
    if (this.#closing.signal.aborted) return;
    this.#running ??= this.#run();
  }

  /** Writes what it has, and stops. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    const { board, mayWrite, onFailure } = this.#ports;
    try {
      const deadline = performance.now() + CLOSE_WITHIN_MS;
      await this.#put();
      while (mayWrite() && performance.now() < deadline) {
        const turn = await board.take();
        if (turn.kind === 'now') await this.#note(turn.hints);
        else if (turn.kind === 'nothing') return;
        else await Bun.sleep(Math.min(turn.after, RETRY_MS));
      }
    } catch (error) {
      // The sweep of the next start finds them.
      onFailure(error);
    }
  }

  /** Never rejects. Ends when the board is empty. */
  async #run(): Promise<void> {
    const { signal } = this.#closing;
    await this.#sleep(GATHER_MS);
    while (!signal.aborted) {
      const pause = await this.#step();
      if (pause === undefined) break;
      await this.#sleep(pause);
    }
    this.#running = undefined;
    // A hint that came after the last look has found this run still going.
    if (this.#fresh.size > 0) this.wake();
  }

  /** @returns how long to wait before the next step; undefined if nothing is left to do */
  async #step(): Promise<number | undefined> {
    const { board, mayWrite, onFailure } = this.#ports;
    try {
      if (!mayWrite()) return RETRY_MS;
      await this.#put();
      const turn = await board.take();
      switch (turn.kind) {
        case 'nothing':
          return undefined;
        case 'later':
          return Math.min(turn.after, RETRY_MS);
        case 'now':
          await this.#note(turn.hints);
          this.#isFailing = false;
          return GATHER_MS;
      }
    } catch (error) {
      if (!this.#isFailing) onFailure(error);
      this.#isFailing = true;
      return RETRY_MS;
    }
  }

  async #put(): Promise<void> {
    if (this.#fresh.size === 0) return;
    const fresh = this.#fresh;
    this.#fresh = new Map();
    try {
      await this.#ports.board.put(fresh);
    } catch (error) {
      for (const [repo, seq] of fresh) raise(this.#fresh, repo, seq);
      throw error;
    }
  }

  async #note(hints: Hints): Promise<void> {
    const { log, board, onNote } = this.#ports;
    const found = board.isShared ? await this.#existing(log.beyond(hints)) : hints;
    await log.append(found);
    const { seq } = log.view;
    onNote(seq);
    // One note may not have room for all.
    const left = log.beyond(found);
    for (const [repo, own] of this.#own) if (own <= (log.view.reached.get(repo) ?? 0)) this.#own.delete(repo);
    await board.remove(new Map([...hints].filter(([repo]) => !left.has(repo))), seq);
  }

  /** A hint of another process may be wrong, and a note must not: a hint is believed only if its slot exists. */
  async #existing(hints: Hints): Promise<Hints> {
    const existing = new Map<RepositoryName, number>();
    const isOwn = ([repo, seq]: readonly [RepositoryName, number]): boolean => seq <= (this.#own.get(repo) ?? 0);
    for (const [repo, seq] of [...hints].filter(isOwn)) existing.set(repo, seq);
    const all = [...hints].filter((hint) => !isOwn(hint));
    for (let start = 0; start < all.length; start += LOOKS) {
      const look = async ([repo, seq]: readonly [RepositoryName, number]): Promise<void> => {
        if ((await this.#ports.driver.head(slotKey(repo, seq))) !== undefined) existing.set(repo, seq);
      };
      await Promise.all(all.slice(start, start + LOOKS).map(look));
    }
    return existing;
  }

  #sleep(milliseconds: number): Promise<void> {
    return this.#ports.sleep(milliseconds, this.#closing.signal);
  }
}
