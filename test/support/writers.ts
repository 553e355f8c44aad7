// Log writers over the memory driver, each with its own view, like several processes.
import type { Command } from '../../src/journal/command.ts';
import { accept } from '../../src/journal/command.ts';
import type { Batch, SlotHash } from '../../src/journal/events.ts';
import { RepositoryState } from '../../src/journal/fold.ts';
import { catchUp, readSlot } from '../../src/journal/log.ts';
import { LogWriter, type ViewHead, type WritableView } from '../../src/journal/writer.ts';
import type { Digest, Tag } from '../../src/oci/names.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { countingIncarnations, type TestClock } from './deterministic.ts';
import { FEW } from './generators.ts';
import { REPO } from './slots.ts';

export class FoldView implements WritableView {
  readonly state = new RepositoryState();
  readonly #driver: StorageDriver;

  constructor(driver: StorageDriver) {
    this.#driver = driver;
  }

  async head(): Promise<ViewHead> {
    return { seq: this.state.seq, hash: this.state.hash, facts: this.state };
  }

  async announce(): Promise<boolean> {
    return true;
  }

  async apply(batch: Batch, hash: SlotHash): Promise<void> {
    this.state.apply(batch, hash);
  }

  async catchUp(): Promise<void> {
    await catchUp(this.#driver, REPO, this.state);
  }
}

export interface OpenWriter {
  readonly writer: LogWriter;
  readonly view: FoldView;
  /** Events of each slot that this writer wrote. */
  readonly appends: number[];
  /** What `onFound` was called with. */
  readonly found: readonly number[];
}

export function openWriter(driver: StorageDriver, clock: TestClock, number = 0): OpenWriter {
  const appends: number[] = [];
  const found: number[] = [];
  const view = new FoldView(driver);
  const writer = new LogWriter(REPO, view, {
    driver,
    now: clock.now,
    sleep: clock.sleep,
    newId: countingIncarnations(clock.now, number),
    reach: noCrash,
    node: `node-${number}`,
    onAppend: (events) => appends.push(events),
    onFound: (_, seq) => found.push(seq),
  });
  return { writer, view, appends, found };
}

/** Every slot of the log in order, read as another process would. */
export async function slotsIn(driver: StorageDriver): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let seq = 1; ; seq++) {
    const slot = await readSlot(driver, REPO, seq);
    if (slot === undefined) return batches;
    batches.push(slot.batch);
  }
}

/** The names of all tags that the log sets, in order, each as often as it is set. */
export async function tagsSetIn(driver: StorageDriver): Promise<string[]> {
  const batches = await slotsIn(driver);
  return batches.flatMap(({ events }) => events.flatMap((event) => (event.type === 'tag.set' ? [event.tag] : [])));
}

const [target] = FEW.manifests as [Digest, ...Digest[]];

/** Sets one tag for each name. The result is the first name. */
export function setTags(...names: readonly [string, ...string[]]): Command<string> {
  return {
    decide: () =>
      accept(names[0], ...names.map((tag) => ({ type: 'tag.set' as const, tag: tag as Tag, digest: target }))),
  };
}
