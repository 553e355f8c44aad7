import type { Batch, SlotHash } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { catchUp, READ_AHEAD, slotsAfter, type WalkedLog } from '../journal/log.ts';
import { type CopiedSlot, replaySlots } from '../journal/replay.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import { LogWriter, type ViewHead, type WritableView, type WriterPorts } from '../journal/writer.ts';
import type { RepositoryName } from '../oci/names.ts';
import { slotKey } from '../storage/paths.ts';
import type { FollowedView, Follower, Growth } from './threads/follower.ts';
import type { Count } from './threads/heads.ts';
import { Looks } from './threads/looks.ts';

export interface ResidentPorts extends WriterPorts {
  /** Other processes write to the store: each use probes for the next slot. */
  readonly probe?: boolean;
  /** Called when a log grew. `tail` describes the slots after its newest snapshot. */
  readonly onGrowth: (repo: RepositoryName, tail: Tail) => void;
  /** Called with what a repository uses after each slot, before its writer is answered. */
  readonly onUsage?: (repo: RepositoryName, usage: RepositoryUsage) => void;
}

/** Number and bytes of the slots after the newest snapshot, and that snapshot's bytes. */
export interface Tail {
  slots: number;
  bytes: number;
  snapshotBytes: number;
}

/** One repository in memory: its folded state, and the writer of its log. */
export class Resident implements WritableView {
  readonly state: RepositoryState;
  readonly writer: LogWriter;
  tail: Tail;
  weight: number;
  readonly #ports: ResidentPorts;
  readonly #view: FollowedView;
  readonly #follower: Follower | undefined;
  readonly #looks: Looks<Count | undefined>;
  #replays = 0;

  /** @param follower if other threads of this process write to the log */
  constructor(repo: RepositoryName, folded: WalkedLog, ports: ResidentPorts, follower?: Follower) {
    this.#ports = ports;
    this.#follower = follower;
    this.state = folded.state;
    this.tail = { slots: folded.slots, bytes: folded.bytes, snapshotBytes: folded.snapshotBytes };
    this.weight = this.state.weight;
    const confirm = (seq: number): Promise<void> => ports.driver.confirm(slotKey(repo, seq));
    this.#view = { repo, state: this.state, confirm };
    this.#looks = new Looks({
      sign: () => follower?.count(),
      // An earlier look may have got this far.
      look: async () => {
        if (!this.isCurrent) await this.catchUp();
      },
    });
    this.writer = new LogWriter(repo, this, ports, follower?.turns);
  }

  /** Whether the state has every slot that it may not lack: always if no other process and no other thread writes. */
  get isCurrent(): boolean {
    return this.#follower === undefined ? this.#ports.probe !== true : this.#follower.isCurrent;
  }

  /** Whether nothing is being written, so that the view may be evicted. */
  get isIdle(): boolean {
    return this.writer.idle && this.#replays === 0;
  }

  /** Creates slots that were copied from another store's log. @throws as `replaySlots` */
  async replay(slots: readonly CopiedSlot[]): Promise<void> {
    this.#replays++;
    try {
      await replaySlots(this.#view.repo, slots, this, this.#ports);
    } finally {
      this.#replays--;
    }
  }

  /** Folds the slots that others wrote before this call. */
  refresh(): Promise<void> {
    return this.#follower === undefined ? this.#looks.after() : this.#looks.since(this.#follower.count());
  }

  async head(): Promise<ViewHead> {
    if (!this.isCurrent) await this.refresh();
    return { seq: this.state.seq, hash: this.state.hash, facts: this.state };
  }

  /** No other process reads this view, so nothing is announced to any. */
  async announce({ seq }: Batch): Promise<boolean> {
    this.#follower?.announce(seq);
    return true;
  }

  async apply(batch: Batch, hash: SlotHash, size: number): Promise<void> {
    // A look may have applied it already.
    if (batch.seq <= this.state.seq) return;
    const existed = this.state.exists;
    this.state.apply(batch, hash);
    this.#follower?.created(this.state, existed);
    this.#grow({ slots: 1, bytes: size });
  }

  async catchUp(): Promise<void> {
    const { repo, state, confirm } = this.#view;
    const { driver } = this.#ports;
    if (this.#follower !== undefined) {
      this.#grow(await this.#follower.catchUp(slotsAfter(driver, repo, state.seq), this.#view));
      return;
    }
    const found = await catchUp(driver, repo, state, aheadOf(this.#ports));
    // Another process's slot must be durable before a response depends on it.
    if (found.slots > 0) await confirm(state.seq);
    this.#grow(found);
  }

  #grow(by: Growth): void {
    if (by.slots === 0) return;
    this.tail.slots += by.slots;
    this.tail.bytes += by.bytes;
    this.#ports.onGrowth(this.#view.repo, this.tail);
    this.#ports.onUsage?.(this.#view.repo, this.state.usage);
  }
}

/** A store that other processes write to is remote, so slots are read ahead. */
export function aheadOf({ probe }: Pick<ResidentPorts, 'probe'>): number {
  return probe === true ? READ_AHEAD : 1;
}
