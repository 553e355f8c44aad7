import { NO_SLOT, type SlotHash } from '../../journal/events.ts';
import type { Key, StoreReader } from '../../storage/driver.ts';
import type { Check } from './check.ts';
import type { Problem, Severity } from './findings.ts';
import { problemOf } from './log-check.ts';

export type ChainCheckPorts = Pick<Check, 'reader' | 'report' | 'tally'>;

/** What is checked of a slot, whatever its events are. */
export interface ChainSlot {
  readonly batch: { readonly seq: number; readonly prev: SlotHash };
  readonly hash: SlotHash;
}

/** The state that the slots so far fold to. */
export interface ChainView<Slot> {
  /** @throws RegistryError `log-broken` */
  apply(slot: Slot): void;
}

/** A log that is no repository's. */
export interface Chain<Slot extends ChainSlot, View extends ChainView<Slot>> {
  /** For findings. */
  readonly log: 'robots' | 'notes';
  /** For messages. */
  readonly title: string;
  readonly slots: Key;
  readonly snapshots: Key;
  readonly slotKey: (seq: number) => Key;
  readonly slotOfSnapshotKey: (key: Key) => number | undefined;
  readonly read: (reader: StoreReader, seq: number) => Promise<Slot | undefined>;
  /** Whether its bytes are the canonical encoding of its content. */
  readonly isCanonical: (slot: Slot) => boolean;
  readonly newView: (reader: StoreReader) => View;
  /** Compares the bytes of a snapshot with the state after its slot; `unusable`: they are no snapshot of that slot. */
  readonly compareSnapshot: (
    bytes: Uint8Array,
    seq: number,
    view: View | undefined,
  ) => Promise<'same' | 'other' | 'unusable'>;
}

/**
 * Reads a whole log and checks that its slots are contiguous, well-formed and chained, and that each snapshot agrees with the slots before
 * it.
 * @returns the state that the log folds to; undefined if a slot is missing or wrong
 */
export async function checkChain<Slot extends ChainSlot, View extends ChainView<Slot>>(
  chain: Chain<Slot, View>,
  check: ChainCheckPorts,
): Promise<View | undefined> {
  const checking = new ChainCheck(chain, check);
  try {
    return await checking.run();
  } catch (error) {
    await checking.report('fault', 'log-unreadable', `${chain.title} ${problemOf(error)}`);
    return undefined;
  }
}

class ChainCheck<Slot extends ChainSlot, View extends ChainView<Slot>> {
  readonly #chain: Chain<Slot, View>;
  readonly #check: ChainCheckPorts;
  /** undefined: a slot is missing or wrong, so the state after it is unknown. */
  #view: View | undefined;
  /** Hash of the slot before; undefined if that is missing or unusable. */
  #before: SlotHash | undefined = NO_SLOT;

  constructor(chain: Chain<Slot, View>, check: ChainCheckPorts) {
    this.#chain = chain;
    this.#check = check;
    this.#view = chain.newView(check.reader);
  }

  report(severity: Severity, problem: Problem, message: string, slot?: number): Promise<void> {
    const where = slot === undefined ? {} : { slot };
    return this.#check.report({ severity, problem, log: this.#chain.log, ...where, message });
  }

  async run(): Promise<View | undefined> {
    // The listing comes before the first read, so a concurrent change cannot look like a gap.
    const { last, snapshots } = await this.#list();
    let seq = 1;
    for (; ; seq++) {
      const slot = await this.#read(seq);
      if (typeof slot === 'object') {
        await this.#follow(slot);
      } else {
        // If nothing can be read, a slot after the last one would also look unusable, without end.
        if (seq > last) break;
        if (slot === 'absent') await this.report('fault', 'slot-missing', 'it is missing, but later slots exist', seq);
        this.#lose();
      }
      const snapshot = snapshots.get(seq);
      if (snapshot !== undefined) await this.#checkSnapshot(seq, snapshot);
      snapshots.delete(seq);
    }
    for (const ahead of snapshots.keys()) {
      const message = `a snapshot was taken after this slot, but the log ends with slot ${seq - 1}: newer ones were lost`;
      await this.report('fault', 'snapshot-ahead', message, ahead);
    }
    return this.#view;
  }

  async #list(): Promise<{ readonly last: number; readonly snapshots: Map<number, Key> }> {
    const { slots, snapshots: folder, slotKey, slotOfSnapshotKey } = this.#chain;
    let last = 0;
    const snapshots = new Map<number, Key>();
    for await (const { key } of this.#check.reader.list(slots)) {
      const seq = Number(key.slice(slots.length));
      const snapshotOf = key.startsWith(folder) ? slotOfSnapshotKey(key) : undefined;
      if (snapshotOf !== undefined) snapshots.set(snapshotOf, key);
      else if (seq >= 1 && slotKey(seq) === key) last = Math.max(last, seq);
      else await this.report('warning', 'foreign-object', `${key} is neither a slot nor a snapshot`);
    }
    return { last, snapshots };
  }

  async #read(seq: number): Promise<Slot | 'absent' | 'unusable'> {
    try {
      return (await this.#chain.read(this.#check.reader, seq)) ?? 'absent';
    } catch (error) {
      await this.report('fault', 'slot-unusable', problemOf(error), seq);
      return 'unusable';
    }
  }

  /** Checks that the slot follows the one before. */
  async #follow(slot: Slot): Promise<void> {
    const { batch, hash } = slot;
    this.#check.tally.slots++;
    if (!this.#chain.isCanonical(slot))
      await this.report('fault', 'slot-altered', 'its bytes are not the canonical encoding of its content', batch.seq);
    if (this.#before !== undefined && batch.prev !== this.#before) {
      this.#lose();
      const message = `its "prev" is not the hash of slot ${batch.seq - 1}: one of the two was altered`;
      await this.report('fault', 'chain-broken', message, batch.seq);
    }
    this.#before = hash;
    try {
      this.#view?.apply(slot);
    } catch (error) {
      await this.report('fault', 'slot-unusable', problemOf(error), batch.seq);
      this.#view = undefined;
    }
  }

  #lose(): void {
    this.#before = undefined;
    this.#view = undefined;
  }

  async #checkSnapshot(seq: number, key: Key): Promise<void> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#check.reader.read(key);
    } catch (error) {
      await this.report('fault', 'snapshot-unusable', `the snapshot ${problemOf(error)}`, seq);
      return;
    }
    // The snapshot was removed in the meantime, which is allowed because the slots have the same content.
    if (bytes === undefined) return;
    this.#check.tally.snapshots++;
    switch (await this.#chain.compareSnapshot(bytes, seq, this.#view)) {
      case 'unusable':
        await this.report('fault', 'snapshot-unusable', 'the snapshot cannot be read, or is of another slot', seq);
        return;
      case 'other':
        await this.report('fault', 'snapshot-wrong', 'the snapshot does not agree with the slots before it', seq);
        return;
      case 'same':
        return;
    }
  }
}
