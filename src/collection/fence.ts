import { accept, type Command } from '../journal/command.ts';
import { type Batch, NO_SLOT, type SlotHash } from '../journal/events.ts';
import { RepositoryState } from '../journal/fold.ts';
import { foldLog, logBroken, READ_AHEAD, readSlot, slotsAfter } from '../journal/log.ts';
import { type LogStore, LogWriter, type ViewHead, type WritableView } from '../journal/writer.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { logPrefix, slotKey } from '../storage/paths.ts';
import { paced } from './pace.ts';
import type { CollectionPorts } from './ports.ts';
import type { LogHead } from './scan.ts';

/** A write that storage did not confirm in time is tried so often. */
const ATTEMPTS = 3;

export interface Fence {
  readonly epoch: Incarnation;
  /** Unlinks before this time (milliseconds) need no longer be remembered; undefined: none are forgotten. */
  readonly forget: number | undefined;
  readonly isCondemned: (inc: Incarnation) => boolean;
  /** It must not be deleted. */
  readonly spare: (inc: Incarnation) => void;
}

/**
 * Appends the epoch's fence to a log, and spares whatever that log links, or unlinked a moment ago, up to there: "links before
 * the fence count as live".
 * @param scanned how far the log was folded when the candidates were chosen: it linked none of them there
 * @throws RegistryError `log-broken` when the log cannot be folded, or has a gap
 */
export async function fenceLog(
  repo: RepositoryName,
  fence: Fence,
  scanned: LogHead | undefined,
  ports: CollectionPorts,
): Promise<void> {
  const view = new FenceView(repo, ports.driver, scanned ?? (await foldUntil(repo, fence, ports)), fence);
  await view.catchUp();
  await ports.breathe();
  await refuseGap(repo, view.seq, ports.driver);
  const writer = new LogWriter(repo, view, { ...ports, onAppend: () => {} });
  const { epoch, forget } = fence;
  const forgetting = forget === undefined ? {} : { forget: new Date(forget).toISOString() };
  const command: Command<void> = { decide: () => accept(undefined, { type: 'gc.fence', epoch, ...forgetting }) };
  for (let attempt = 1; ; attempt++) {
    try {
      return await writer.submit(command);
    } catch (error) {
      // It may have been written all the same: one fence more does no harm.
      const isUnconfirmed = error instanceof RegistryError && error.kind === 'unavailable';
      if (!isUnconfirmed || attempt === ATTEMPTS) throw error;
      await view.catchUp();
    }
  }
}

async function foldUntil(repo: RepositoryName, fence: Fence, ports: CollectionPorts): Promise<LogHead> {
  const { state } = await foldLog(paced(ports.driver, ports.breathe), repo, READ_AHEAD);
  const spareIf = (inc: Incarnation): void => {
    if (fence.isCondemned(inc)) fence.spare(inc);
  };
  for (const { inc } of state.blobs.values()) spareIf(inc);
  for (const { inc } of state.manifests.values()) spareIf(inc);
  // Whether it was linked and unlinked since the candidates were chosen nobody here can tell.
  const recent = ports.now() - ports.grace;
  for (const [inc, at] of state.tombstones) if (at >= recent) spareIf(inc);
  return { seq: state.seq, hash: state.hash };
}

/** "A log with a gap ends the epoch": what lies behind it would seem to be linked by nobody. */
async function refuseGap(repo: RepositoryName, seq: number, driver: StoreReader): Promise<void> {
  for await (const { key } of driver.list(logPrefix(repo), slotKey(repo, seq))) {
    const next = seq + 1;
    // Slots are written one after another: where a later one is there, this one was there before it.
    if (key !== slotKey(repo, next) && (await readSlot(driver, repo, next)) === undefined) {
      throw logBroken(repo, next, 'it is missing, though later ones are there');
    }
    return;
  }
}

/** A log from some slot on, of which no more is held than where it ends. */
class FenceView implements WritableView {
  readonly #repo: RepositoryName;
  readonly #driver: LogStore;
  readonly #fence: Fence;
  /** A fence is decided on no facts. */
  readonly #nothing = new RepositoryState();
  #seq: number;
  #hash: SlotHash;

  constructor(repo: RepositoryName, driver: LogStore, { seq, hash }: LogHead, fence: Fence) {
    this.#repo = repo;
    this.#driver = driver;
    this.#fence = fence;
    this.#seq = seq;
    this.#hash = seq === 0 ? NO_SLOT : hash;
  }

  get seq(): number {
    return this.#seq;
  }

  async head(): Promise<ViewHead> {
    return { seq: this.#seq, hash: this.#hash, facts: this.#nothing };
  }

  async announce(): Promise<boolean> {
    return true;
  }

  async apply(batch: Batch, hash: SlotHash): Promise<void> {
    this.#seq = batch.seq;
    this.#hash = hash;
  }

  async catchUp(): Promise<void> {
    for await (const { batch, hash } of slotsAfter(this.#driver, this.#repo, this.#seq)) {
      if (batch.prev !== this.#hash) {
        throw logBroken(this.#repo, batch.seq, `it follows ${batch.prev}, but slot ${this.#seq} is ${this.#hash}`);
      }
      for (const event of batch.events) {
        const isLink = event.type === 'blob.linked' || event.type === 'manifest.put';
        if (isLink && this.#fence.isCondemned(event.inc)) this.#fence.spare(event.inc);
      }
      this.#seq = batch.seq;
      this.#hash = hash;
    }
    // A process that was killed may have left the newest slot in the page cache only: nothing durable may follow it before it is.
    if (this.#seq > 0) await this.#driver.confirm(slotKey(this.#repo, this.#seq));
  }
}
