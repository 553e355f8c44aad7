import { hashSlot } from '../../journal/events.ts';
import { untilAnswered } from '../../journal/until-answered.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Incarnation } from '../../oci/names.ts';
import type { ReachStep } from '../../storage/crash-points.ts';
import type { Durability, ObjectStore, StoreReader } from '../../storage/driver.ts';
import { robotSlotKey, robotSnapshotKey } from '../../storage/paths.ts';
import { decideChange, type RobotChange } from './decide.ts';
import { encodeRobotBatch, ROBOT_BATCH_VERSION, type RobotBatch } from './events.ts';
import type { RobotsHead } from './head.ts';
import type { RobotName } from './robot.ts';
import { readRobotSlot } from './slot.ts';
import { encodeRobotsSnapshot } from './snapshot.ts';
import { RobotsView } from './view.ts';

/** A change that is not confirmed by then fails. It may still take effect later. */
const DEADLINE_MS = 10_000;

export interface RobotsLogPorts {
  readonly driver: Pick<StoreReader, 'read' | 'list'> & Pick<ObjectStore, 'create'> & Pick<Durability, 'confirm'>;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newId: () => Incarnation;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly reach: ReachStep;
  /** Name of this process in the log. */
  readonly node: string;
  /** As for RobotsView. */
  readonly head?: RobotsHead | undefined;
  /** Called if a snapshot could not be stored. The next change tries again. */
  readonly snapshotFailed: (error: unknown) => void;
}

/**
 * Changes robots. Any number of processes may do so concurrently: a slot can be created only by a process that has read the one
 * before.
 */
export class RobotsLog {
  readonly view: RobotsView;
  readonly #ports: RobotsLogPorts;

  constructor(ports: RobotsLogPorts) {
    this.#ports = ports;
    this.view = new RobotsView(ports.driver, ports.head);
  }

  /**
   * Resolves once the change is durable and visible in `view`.
   * @param actor recorded in the event
   * @throws RegistryError `request-invalid` if the change is not possible; `unavailable` if the store did not respond in time
   */
  async change(name: RobotName, change: RobotChange, actor: string): Promise<void> {
    const { now, newId, node, reach } = this.#ports;
    const deadline = now() + DEADLINE_MS;
    do {
      await this.#untilAnswered(deadline, () => this.view.refresh());
      const { seq, hash } = this.view;
      // Another process may have written the last slot, which must be durable before the next one follows it.
      if (seq > 0) await this.#untilAnswered(deadline, () => this.#ports.driver.confirm(robotSlotKey(seq)));
      const event = decideChange(this.view.robots, name, change, actor, now());
      const at = new Date(now()).toISOString();
      const batch: RobotBatch = {
        ...{ v: ROBOT_BATCH_VERSION, log: 'robots', seq: seq + 1, prev: hash },
        ...{ batch: newId(), node, at, events: [event] },
      };
      const bytes = encodeRobotBatch(batch);
      if (await this.#untilAnswered(deadline, () => this.#create(batch, bytes))) {
        reach('append.before-apply');
        this.view.apply({ batch, hash: hashSlot(bytes), size: bytes.length });
        reach('append.before-acknowledge');
        if (this.view.isSnapshotDue) await this.#storeSnapshot();
        return;
      }
    } while (now() < deadline);
    throw unconfirmed();
  }

  /** Idempotent for the same batch. @returns false if the slot holds another process's batch */
  async #create(batch: RobotBatch, bytes: Uint8Array): Promise<boolean> {
    const { driver } = this.#ports;
    const key = robotSlotKey(batch.seq);
    if ((await driver.create(key, bytes)) === 'created') return true;
    await driver.confirm(key);
    const slot = await readRobotSlot(driver, batch.seq);
    if (slot === undefined) throw new Error('the slot is taken but cannot be read');
    return slot.batch.batch === batch.batch;
  }

  /** Never rejects: the change that it follows is already durable. */
  async #storeSnapshot(): Promise<void> {
    const { view } = this;
    const [key, bytes] = [robotSnapshotKey(view.seq), encodeRobotsSnapshot(view)];
    try {
      // `taken`: another process stored the same bytes first.
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
  const message = 'the change of the robot was not confirmed in time: `marina robot list` shows whether it was made';
  return new RegistryError('unavailable', message, undefined, cause);
}
