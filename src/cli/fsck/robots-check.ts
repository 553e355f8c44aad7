import { encodeRobotBatch } from '../../access/robots/events.ts';
import { type RobotSlot, readRobotSlot } from '../../access/robots/slot.ts';
import { decodeRobotsSnapshot, encodeRobotsSnapshot } from '../../access/robots/snapshot.ts';
import { RobotsView } from '../../access/robots/view.ts';
import { hashSlot, NO_SLOT, type SlotHash } from '../../journal/events.ts';
import type { Key } from '../../storage/driver.ts';
import { ROBOT_SNAPSHOTS, ROBOTS, robotSlotKey, slotOfRobotSnapshotKey } from '../../storage/paths.ts';
import type { Check } from './check.ts';
import type { Problem, Severity } from './findings.ts';
import { problemOf } from './log-check.ts';

type RobotsCheckPorts = Pick<Check, 'reader' | 'report' | 'tally'>;

/**
 * Reads the whole log of robots and checks that its slots are contiguous, well-formed and chained, and that each snapshot agrees with
 * the slots before it.
 */
export async function checkRobots(check: RobotsCheckPorts): Promise<void> {
  const robots = new RobotsCheck(check);
  try {
    await robots.run();
  } catch (error) {
    await robots.report('fault', 'log-unreadable', `the log of robots ${problemOf(error)}`);
  }
}

class RobotsCheck {
  readonly #check: RobotsCheckPorts;
  /** undefined: a slot is missing or wrong, so the robots after it are unknown. */
  #view: RobotsView | undefined;
  /** Hash of the slot before; undefined if that is missing or unusable. */
  #before: SlotHash | undefined = NO_SLOT;

  constructor(check: RobotsCheckPorts) {
    this.#check = check;
    this.#view = new RobotsView(check.reader);
  }

  report(severity: Severity, problem: Problem, message: string, slot?: number): Promise<void> {
    const where = slot === undefined ? {} : { slot };
    return this.#check.report({ severity, problem, log: 'robots', ...where, message });
  }

  async run(): Promise<void> {
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
  }

  async #list(): Promise<{ readonly last: number; readonly snapshots: Map<number, Key> }> {
    let last = 0;
    const snapshots = new Map<number, Key>();
    for await (const { key } of this.#check.reader.list(ROBOTS)) {
      const seq = Number(key.slice(ROBOTS.length));
      const snapshotOf = key.startsWith(ROBOT_SNAPSHOTS) ? slotOfRobotSnapshotKey(key) : undefined;
      if (snapshotOf !== undefined) snapshots.set(snapshotOf, key);
      else if (seq >= 1 && robotSlotKey(seq) === key) last = Math.max(last, seq);
      else await this.report('warning', 'foreign-object', `${key} is neither a slot nor a snapshot`);
    }
    return { last, snapshots };
  }

  async #read(seq: number): Promise<RobotSlot | 'absent' | 'unusable'> {
    try {
      return (await readRobotSlot(this.#check.reader, seq)) ?? 'absent';
    } catch (error) {
      await this.report('fault', 'slot-unusable', problemOf(error), seq);
      return 'unusable';
    }
  }

  /** Checks that the slot follows the one before. */
  async #follow(slot: RobotSlot): Promise<void> {
    const { batch, hash } = slot;
    this.#check.tally.slots++;
    if (hashSlot(encodeRobotBatch(batch)) !== hash)
      await this.report('fault', 'slot-altered', 'its bytes are not the canonical encoding of its content', batch.seq);
    if (this.#before !== undefined && batch.prev !== this.#before) {
      this.#lose();
      const message = `its "prev" is not the hash of slot ${batch.seq - 1}: one of the two was altered`;
      await this.report('fault', 'chain-broken', message, batch.seq);
    }
    this.#before = hash;
    this.#view?.apply(slot);
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
    if (decodeRobotsSnapshot(bytes)?.seq !== seq) {
      await this.report('fault', 'snapshot-unusable', 'the snapshot cannot be read, or is of another slot', seq);
      return;
    }
    if (this.#view !== undefined && !Buffer.from(bytes).equals(encodeRobotsSnapshot(this.#view)))
      await this.report('fault', 'snapshot-wrong', 'the snapshot does not agree with the slots before it', seq);
  }
}
