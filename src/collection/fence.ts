import { COLLECTION } from '../access/identity.ts';
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

/** Attempts at a write that storage does not confirm in time. */
const MAX_ATTEMPTS = 3;

export interface Fence {
  readonly epoch: Incarnation;
  /** Tombstones older than this (milliseconds) may be dropped; undefined: none. */
  readonly forget: number | undefined;
  readonly isCondemned: (inc: Incarnation) => boolean;
  /** Called for an object that must not be deleted. */
  readonly spare: (inc: Incarnation) => void;
}

/**
 * Appends the epoch's fence to a log, and spares every object that the log links, or has recently unlinked, before the fence.
 * @param scanned the log's head when the candidates were chosen: up to that slot it links none of them
 * @throws RegistryError `log-broken` if the log cannot be folded, or has a gap
 */
export async function fenceLog(
  repo: RepositoryName,
  fence: Fence,
  scanned: LogHead | undefined,
  ports: CollectionPorts,
): Promise<void> {
  const view = new FenceView(repo, ports.driver, scanned ?? (await foldAndSpare(repo, fence, ports)), fence);
  await view.catchUp();
  await ports.yieldToRequests();
  await refuseGap(repo, view.seq, ports.driver);
  const writer = new LogWriter(repo, view, { ...ports, onAppend: () => {} });
  const { epoch, forget } = fence;
  const forgetting = forget === undefined ? {} : { forget: new Date(forget).toISOString() };
  const command: Command<void> = {
    decide: () => accept(undefined, { type: 'gc.fence', epoch, ...forgetting, actor: COLLECTION }),
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await writer.submit(command);
    } catch (error) {
      // The fence may have been written nevertheless. A second one does no harm.
      const isUnconfirmed = error instanceof RegistryError && error.kind === 'unavailable';
      if (!isUnconfirmed || attempt === MAX_ATTEMPTS) throw error;
      await view.catchUp();
    }
  }
}

async function foldAndSpare(repo: RepositoryName, fence: Fence, ports: CollectionPorts): Promise<LogHead> {
  const { state } = await foldLog(paced(ports.driver, ports.yieldToRequests), repo, READ_AHEAD);
  const spareIf = (inc: Incarnation): void => {
    if (fence.isCondemned(inc)) fence.spare(inc);
  };
  for (const { inc } of state.blobs.values()) spareIf(inc);
  for (const { inc } of state.manifests.values()) spareIf(inc);
  // It may have been linked and unlinked again since the candidates were chosen.
  const recent = ports.now() - ports.grace;
  for (const [inc, at] of state.tombstones) if (at >= recent) spareIf(inc);
  return { seq: state.seq, hash: state.hash };
}

/** A log with a gap ends the epoch, because links after the gap would be missed. */
async function refuseGap(repo: RepositoryName, seq: number, driver: StoreReader): Promise<void> {
  for await (const { key } of driver.list(logPrefix(repo), slotKey(repo, seq))) {
    const next = seq + 1;
    // Slots are created in order, so a later slot proves that this one existed.
    if (key !== slotKey(repo, next) && (await readSlot(driver, repo, next)) === undefined) {
      throw logBroken(repo, next, 'it is missing, but later slots exist');
    }
    return;
  }
}

/** Follows the end of a log and keeps only its head in memory. */
class FenceView implements WritableView {
  readonly #repo: RepositoryName;
  readonly #driver: LogStore;
  readonly #fence: Fence;
  /** A fence is decided without facts. */
  readonly #noFacts = new RepositoryState();
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
    return { seq: this.#seq, hash: this.#hash, facts: this.#noFacts };
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
    // A killed process may have left the newest slot in the page cache only, but it must be durable before the next one is.
    if (this.#seq > 0) await this.#driver.confirm(slotKey(this.#repo, this.#seq));
  }
}
