import { differenceOf } from '../../journal/difference.ts';
import { encodeBatch, hashSlot, NO_SLOT, type SlotHash } from '../../journal/events.ts';
import { FOLD_VERSION, RepositoryState } from '../../journal/fold.ts';
import { readSlot, type Slot } from '../../journal/log.ts';
import { decodeSnapshot, foldVersionOf } from '../../journal/snapshot.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Key } from '../../storage/driver.ts';
import { logPrefix, slotKey, snapshotKey, snapshotPrefix } from '../../storage/paths.ts';
import { codeOf } from '../../system/error-code.ts';
import type { Check } from './check.ts';
import type { Problem, Severity } from './findings.ts';

/**
 * Reads a whole log and checks that its slots are contiguous, well-formed and chained, and that each snapshot agrees with the slots
 * before it. As long as the slots are intact it uses no snapshot.
 * @returns the state of the repository; undefined if the log cannot be folded to its end
 */
export function checkLog(repo: RepositoryName, check: Check): Promise<RepositoryState | undefined> {
  return new LogCheck(repo, check).run();
}

class LogCheck {
  readonly #repo: RepositoryName;
  readonly #check: Check;
  /** undefined: a slot is missing or wrong, so the state after it is unknown. */
  #state: RepositoryState | undefined = new RepositoryState();
  /** Hash of the previous slot; undefined: unknown. */
  #before: SlotHash | undefined = NO_SLOT;
  /** The slot at which the state was lost. */
  #lostAt = 0;
  /** The first of a run of missing slots. */
  #missingFrom: number | undefined;

  constructor(repo: RepositoryName, check: Check) {
    this.#repo = repo;
    this.#check = check;
  }

  async run(): Promise<RepositoryState | undefined> {
    // Both listings come before the first read. What they list was durable then, so a concurrent append cannot look like a gap.
    const last = await this.#lastListedSlot();
    const snapshots = await this.#listSnapshots();
    let seq = 1;
    for (; ; seq++) {
      const slot = await this.#read(seq);
      if (slot === 'absent') {
        if (seq > last) break;
        this.#missingFrom ??= seq;
        this.#lose(seq);
      } else {
        await this.#reportMissing(seq);
        if (slot === 'unusable') this.#lose(seq);
        else await this.#follow(slot);
      }
      const snapshot = snapshots.get(seq);
      if (snapshot !== undefined) await this.#checkSnapshot(seq, snapshot, typeof slot === 'object' ? slot : undefined);
      snapshots.delete(seq);
    }
    await this.#reportMissing(seq);
    await this.#reportAhead(seq - 1, snapshots);
    if (seq === 1 && snapshots.size === 0) {
      await this.#report(
        'note',
        'log-empty',
        'it has a marker but no slot: its first push is under way, or was cut off',
      );
    }
    if (this.#state === undefined) {
      await this.#report(
        'warning',
        'log-unfolded',
        `the log cannot be folded from slot ${this.#lostAt} on: its tags, manifests and blobs were not checked`,
      );
    }
    return this.#state;
  }

  /** Checks that the slot follows the previous one. */
  async #follow(slot: Slot): Promise<void> {
    const { seq, prev } = slot.batch;
    if (this.#before !== undefined && prev !== this.#before) {
      this.#lose(seq);
      const message = `its "prev" is not the hash of slot ${seq - 1}: one of the two was altered`;
      await this.#report('fault', 'chain-broken', message, seq);
    }
    this.#state?.apply(slot.batch, slot.hash);
    this.#before = slot.hash;
  }

  #lose(seq: number): void {
    if (this.#state !== undefined) this.#lostAt = seq;
    this.#state = undefined;
    this.#before = undefined;
  }

  async #read(seq: number): Promise<Slot | 'absent' | 'unusable'> {
    let slot: Slot | undefined;
    try {
      slot = await readSlot(this.#check.reader, this.#repo, seq);
    } catch (error) {
      await this.#report('fault', 'slot-unusable', problemOf(error), seq);
      return 'unusable';
    }
    if (slot === undefined) return 'absent';
    this.#check.tally.slots++;
    // The encoding is canonical, so this also finds unknown fields.
    if (hashSlot(encodeBatch(slot.batch)) !== slot.hash) {
      await this.#report('fault', 'slot-altered', 'its bytes are not the canonical encoding of its content', seq);
    }
    return slot;
  }

  async #lastListedSlot(): Promise<number> {
    let last = 0;
    for await (const { key } of this.#check.reader.list(logPrefix(this.#repo))) {
      const seq = Number(key.slice(logPrefix(this.#repo).length));
      if (seq >= 1 && slotKey(this.#repo, seq) === key) last = Math.max(last, seq);
      else await this.#report('warning', 'foreign-object', `${key} is not a slot`);
    }
    return last;
  }

  async #listSnapshots(): Promise<Map<number, Key>> {
    const found = new Map<number, Key>();
    for await (const { key } of this.#check.reader.list(snapshotPrefix(this.#repo))) {
      const seq = Number.MAX_SAFE_INTEGER - Number(key.slice(snapshotPrefix(this.#repo).length));
      if (seq >= 1 && snapshotKey(this.#repo, seq) === key) found.set(seq, key);
      else await this.#report('warning', 'foreign-object', `${key} is not a snapshot`);
    }
    return found;
  }

  /** @param slot the slot after which the snapshot was taken, if it could be read */
  async #checkSnapshot(seq: number, key: Key, slot: Slot | undefined): Promise<void> {
    const state = await this.#readSnapshot(seq, key);
    if (state === undefined) return;
    this.#check.tally.snapshots++;
    if (slot !== undefined && state.hash !== slot.hash) {
      await this.#report('fault', 'snapshot-wrong', 'the snapshot names another hash than this slot has', seq);
      return;
    }
    if (this.#state === undefined) {
      // Slots before it are damaged, so the check continues from the snapshot, as the server does.
      this.#state = state;
      this.#before = state.hash;
      await this.#report('note', 'log-resumed', 'later slots were checked starting from this snapshot', seq);
      return;
    }
    const difference = differenceOf(this.#state, state);
    if (difference === undefined) return;
    await this.#report('fault', 'snapshot-wrong', `the snapshot ${difference}, which the slots do not say`, seq);
  }

  async #readSnapshot(seq: number, key: Key): Promise<RepositoryState | undefined> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.#check.reader.read(key);
    } catch (error) {
      await this.#report('fault', 'snapshot-unusable', `the snapshot ${problemOf(error)}`, seq);
      return undefined;
    }
    // The snapshot was removed in the meantime, which is allowed because the slots have the same content.
    if (bytes === undefined) return undefined;
    const state = await decodeSnapshot(this.#repo, bytes);
    if (state?.seq === seq) return state;
    const version = await foldVersionOf(bytes);
    if (state === undefined && version !== undefined && version !== FOLD_VERSION) {
      const message = `the snapshot has fold version ${version}, this version of Marina knows ${FOLD_VERSION}`;
      await this.#report('note', 'snapshot-other-version', message, seq);
    } else {
      const problem = state === undefined ? 'cannot be read' : `says that it is of slot ${state.seq}`;
      await this.#report('fault', 'snapshot-unusable', `the snapshot ${problem}`, seq);
    }
    return undefined;
  }

  /** @param seq the first slot after the missing ones */
  async #reportMissing(seq: number): Promise<void> {
    const from = this.#missingFrom;
    if (from === undefined) return;
    this.#missingFrom = undefined;
    const upTo = seq - 1 > from ? ` (and so are all up to ${seq - 1})` : '';
    await this.#report('fault', 'slot-missing', `it is missing${upTo}, but later slots exist`, from);
  }

  async #reportAhead(last: number, snapshots: ReadonlyMap<number, Key>): Promise<void> {
    for (const seq of [...snapshots.keys()].sort((a, b) => a - b)) {
      const message = `a snapshot was taken after this slot, but the log ends with slot ${last}: newer ones were lost`;
      await this.#report('fault', 'snapshot-ahead', message, seq);
    }
  }

  #report(severity: Severity, problem: Problem, message: string, slot?: number): Promise<void> {
    const where = slot === undefined ? {} : { slot };
    return this.#check.report({ severity, problem, repo: this.#repo, ...where, message });
  }
}

/** Describes why a read failed. Rethrows errors other than damage and system errors, as those are defects. */
export function problemOf(error: unknown): string {
  if (error instanceof RegistryError && error.kind === 'log-broken') return error.message;
  const code = codeOf(error);
  if (code === undefined) throw error;
  return `cannot be read (${code})`;
}
