import { NO_SLOT, type SlotHash } from '../../journal/events.ts';
import { eachAfter, READ_AHEAD } from '../../journal/log.ts';
import { isSnapshotDue, type LogTail } from '../../journal/snapshot-due.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { ROBOT_SNAPSHOTS, slotOfRobotSnapshotKey } from '../../storage/paths.ts';
import { applyEvent } from './decide.ts';
import type { RobotsHead } from './head.ts';
import type { Robot, RobotName } from './robot.ts';
import { brokenSlot, type RobotSlot, readRobotSlot } from './slot.ts';
import { decodeRobotsSnapshot, type RobotsSnapshot } from './snapshot.ts';

/** The robots, folded from the newest snapshot of their log and the slots after it. */
export class RobotsView implements RobotsSnapshot {
  readonly #driver: Pick<StoreReader, 'read' | 'list'>;
  readonly #head: RobotsHead | undefined;
  #robots = new Map<RobotName, Robot>();
  #seq = 0;
  #hash: SlotHash = NO_SLOT;
  readonly #tail: LogTail = { slots: 0, bytes: 0, snapshotBytes: 0 };
  #isOpen = false;

  /** @param head of this process, if several of its threads have a view */
  constructor(driver: Pick<StoreReader, 'read' | 'list'>, head?: RobotsHead) {
    this.#driver = driver;
    this.#head = head;
  }

  get robots(): ReadonlyMap<RobotName, Robot> {
    return this.#robots;
  }

  /** The last applied slot. */
  get seq(): number {
    return this.#seq;
  }

  /** The hash of that slot. */
  get hash(): SlotHash {
    return this.#hash;
  }

  /** Whether another thread of this process has read a slot that this view does not have. */
  get isBehind(): boolean {
    return this.#head !== undefined && this.#head.seq > this.#seq;
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
   * Applies all new slots. If there are none, it costs one read of an absent object.
   * @param signal as for `StoreReader.read`
   * @throws RegistryError `log-broken`; errors of the store
   */
  async refresh(signal?: AbortSignal): Promise<void> {
    if (!this.#isOpen) await this.#readSnapshot(signal);
    this.#isOpen = true;
    const read = (seq: number): Promise<RobotSlot | undefined> => readRobotSlot(this.#driver, seq, signal);
    for await (const slot of eachAfter(this.#seq, READ_AHEAD, read)) this.apply(slot);
  }

  /** Ignores a slot that is already applied, because concurrent refreshes may read the same one. @throws RegistryError `log-broken` */
  apply({ batch, hash, size }: RobotSlot): void {
    if (batch.seq <= this.#seq) return;
    if (batch.seq !== this.#seq + 1 || batch.prev !== this.#hash)
      throw brokenSlot(batch.seq, `it does not follow slot ${this.#seq}: one of the two was altered`);
    for (const event of batch.events) applyEvent(this.#robots, event, batch.at);
    this.#seq = batch.seq;
    this.#hash = hash;
    this.#head?.raise(batch.seq);
    this.#tail.slots++;
    this.#tail.bytes += size;
  }

  async #readSnapshot(signal: AbortSignal | undefined): Promise<void> {
    for await (const { key } of this.#driver.list(ROBOT_SNAPSHOTS)) {
      const bytes = await this.#driver.read(key, signal);
      const snapshot = bytes === undefined ? undefined : decodeRobotsSnapshot(bytes);
      if (bytes === undefined || snapshot === undefined || snapshot.seq !== slotOfRobotSnapshotKey(key)) continue;
      // A concurrent refresh may have been faster.
      if (snapshot.seq <= this.#seq) return;
      this.#robots = new Map(snapshot.robots);
      this.#seq = snapshot.seq;
      this.#hash = snapshot.hash;
      this.#head?.raise(snapshot.seq);
      this.snapshotStored(bytes.length);
      return;
    }
  }
}
