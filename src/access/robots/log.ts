import { hashSlot, NO_SLOT, type SlotHash } from '../../journal/events.ts';
import { eachAfter, READ_AHEAD } from '../../journal/log.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Incarnation } from '../../oci/names.ts';
import type { ReachStep } from '../../storage/crash-points.ts';
import type { Durability, ObjectStore, StoreReader } from '../../storage/driver.ts';
import { robotSlotKey } from '../../storage/paths.ts';
import { applyEvent, decideChange, type RobotChange } from './decide.ts';
import { decodeRobotBatch, encodeRobotBatch, ROBOT_BATCH_VERSION, type RobotBatch } from './events.ts';
import type { Robot, RobotName } from './robot.ts';

/** A change that is not confirmed by then fails. It may still take effect later. */
const DEADLINE_MS = 10_000;
const RETRY_MS = 50;

export interface RobotSlot {
  readonly batch: RobotBatch;
  readonly hash: SlotHash;
  /** In bytes. */
  readonly size: number;
}

/**
 * Reads one slot; undefined if it does not exist yet.
 * @throws RegistryError `log-broken` if this version cannot use its bytes
 */
export async function readRobotSlot(
  driver: Pick<StoreReader, 'read'>,
  seq: number,
  signal?: AbortSignal,
): Promise<RobotSlot | undefined> {
  const bytes = await driver.read(robotSlotKey(seq), signal);
  if (bytes === undefined) return undefined;
  const decoded = decodeRobotBatch(bytes);
  if ('problem' in decoded) throw broken(seq, decoded.problem);
  const { batch } = decoded;
  if (batch.seq !== seq) throw broken(seq, `it says it is slot ${batch.seq}`);
  return { batch, hash: hashSlot(bytes), size: bytes.length };
}

function broken(seq: number, problem: string): RegistryError {
  return new RegistryError('log-broken', `slot ${seq} of the log of robots cannot be used: ${problem}`, { slot: seq });
}

/** The robots, folded from their log. */
export class RobotsView {
  readonly #driver: Pick<StoreReader, 'read'>;
  readonly #robots = new Map<RobotName, Robot>();
  #seq = 0;
  #hash: SlotHash = NO_SLOT;

  constructor(driver: Pick<StoreReader, 'read'>) {
    this.#driver = driver;
  }

  get robots(): ReadonlyMap<RobotName, Robot> {
    return this.#robots;
  }

  /** The last applied slot, and its hash. */
  get head(): { readonly seq: number; readonly hash: SlotHash } {
    return { seq: this.#seq, hash: this.#hash };
  }

  /**
   * Applies all new slots. If there are none, it costs one read of an absent object.
   * @param signal as for `StoreReader.read`
   * @throws RegistryError `log-broken`; errors of the store
   */
  async refresh(signal?: AbortSignal): Promise<void> {
    const read = (seq: number): Promise<RobotSlot | undefined> => readRobotSlot(this.#driver, seq, signal);
    for await (const slot of eachAfter(this.#seq, READ_AHEAD, read)) this.apply(slot);
  }

  /** Ignores a slot that is already applied, because concurrent refreshes may read the same one. @throws RegistryError `log-broken` */
  apply({ batch, hash }: Pick<RobotSlot, 'batch' | 'hash'>): void {
    if (batch.seq <= this.#seq) return;
    if (batch.seq !== this.#seq + 1 || batch.prev !== this.#hash)
      throw broken(batch.seq, `it does not follow slot ${this.#seq}: one of the two was altered`);
    for (const event of batch.events) applyEvent(this.#robots, event, batch.at);
    this.#seq = batch.seq;
    this.#hash = hash;
  }
}

export interface RobotsLogPorts {
  readonly driver: Pick<StoreReader, 'read'> & Pick<ObjectStore, 'create'> & Pick<Durability, 'confirm'>;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newId: () => Incarnation;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly reach: ReachStep;
  /** Name of this process in the log. */
  readonly node: string;
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
    this.view = new RobotsView(ports.driver);
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
      const { seq, hash } = this.view.head;
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
        this.view.apply({ batch, hash: hashSlot(bytes) });
        reach('append.before-acknowledge');
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

  /**
   * Retries `work` until the store responds. A request without a response may have taken effect, so `work` must be idempotent.
   * @throws RegistryError `unavailable` at the deadline
   */
  async #untilAnswered<T>(deadline: number, work: () => Promise<T>): Promise<T> {
    const { now, sleep } = this.#ports;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof RegistryError) throw error;
        if (now() + RETRY_MS >= deadline) throw unconfirmed(error);
        await sleep(RETRY_MS);
      }
    }
  }
}

function unconfirmed(cause?: unknown): RegistryError {
  const message = 'the change of the robot was not confirmed in time: `marina robot list` shows whether it was made';
  return new RegistryError('unavailable', message, undefined, cause);
}
