import type { RepositoryState } from '../../journal/fold.ts';
import { applySlot, type Slot } from '../../journal/log.ts';
import type { Turns } from '../../journal/turns.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Count, Head } from './heads.ts';

/** The view of one repository in one thread. */
export interface FollowedView {
  readonly repo: RepositoryName;
  readonly state: RepositoryState;
  /** Makes a slot durable that another thread may still be writing. */
  readonly confirm: (seq: number) => Promise<void>;
}

/** Keeps one thread's view of a repository in step with the other threads, by the rules in `heads.ts`. */
export class Follower {
  readonly #head: Head;
  /** The count before the last look. Everything that was counted up to it is in the view. */
  #seen: Count;
  /** The slot that this thread has announced and that its view does not have yet. */
  #announced: number | undefined;

  /** To be called before the fold begins. */
  constructor(head: Head) {
    this.#head = head;
    this.#seen = head.slots();
  }

  get turns(): Turns {
    return this.#head;
  }

  /** Whether the view has every slot that was acknowledged to any client, or shown to one. */
  get isCurrent(): boolean {
    return this.#head.slots() === this.#seen;
  }

  /** How often slots of the repository were counted. */
  count(): Count {
    return this.#head.slots();
  }

  /** Whether a slot that was found may be one that its creator has not counted yet. */
  get mustCount(): boolean {
    return this.#head.isAnnounced;
  }

  /** To be called when all slots were read, before anything depends on them. */
  folded({ seq }: Pick<RepositoryState, 'seq'>): void {
    if (seq === 0 || !this.#head.isAnnounced) return;
    this.#seen = this.#head.countSlot(this.#seen);
    this.#head.countExistence();
  }

  /** To be called before this thread creates the slot. */
  announce(seq: number): void {
    // A creation that was given up is still announced. It was for the same slot, because the view has not got any further.
    if (this.#announced === undefined) this.#head.announce();
    this.#announced = seq;
  }

  /** To be called when the view has got the slot that this thread created, before it is acknowledged. */
  created(state: RepositoryState, existed: boolean): void {
    this.#seen = this.#count(this.#seen, state, existed);
    this.#arrived(state);
  }

  /**
   * Applies the slots that other threads created since, to the first absent one.
   * @param slots those after the view's, which are read one by one
   * @throws RegistryError `log-broken`
   */
  async catchUp(slots: AsyncIterable<Slot>, { repo, state, confirm }: FollowedView): Promise<Growth> {
    let seen = this.#head.slots();
    let growth = NOTHING;
    for await (const slot of slots) {
      // Read after the slot was found: if nothing is announced, its creator has made it durable and counted it.
      const { isAnnounced } = this.#head;
      if (isAnnounced) await confirm(slot.batch.seq);
      if (slot.batch.seq <= state.seq) continue;
      const existed = state.exists;
      applySlot(repo, state, slot);
      // In the same step, because reads of this thread may use the view before the look has ended.
      if (isAnnounced) seen = this.#count(seen, state, existed);
      this.#arrived(state);
      growth = { slots: growth.slots + 1, bytes: growth.bytes + slot.size };
    }
    this.#seen = seen;
    return growth;
  }

  #count(seen: Count, state: RepositoryState, existed: boolean): Count {
    const now = this.#head.countSlot(seen);
    // The first slot also ends the time in which the repository had no log.
    if (state.exists !== existed || state.seq === 1) this.#head.countExistence();
    return now;
  }

  /** Ends the announcement once the view has the announced slot, which this thread or another has counted by now. */
  #arrived({ seq }: RepositoryState): void {
    if (this.#announced === undefined || seq < this.#announced) return;
    this.#announced = undefined;
    this.#head.endAnnouncement();
  }
}

/** What a look found. */
export interface Growth {
  readonly slots: number;
  readonly bytes: number;
}

const NOTHING: Growth = { slots: 0, bytes: 0 };
