import type { StoreReader } from '../storage/driver.ts';

export interface PaceTimes {
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  /** Lets others run for a while. */
  readonly rest: () => Promise<void>;
  /** Calls back when whatever else waits for this thread had its turn. */
  readonly afterOthers: (tell: () => void) => void;
  /** How long work may go on without a rest, in milliseconds. */
  readonly busy: number;
}

const NO_REST = Promise.resolve();

/**
 * To be awaited between small pieces of work, so that whatever else the process does is never kept waiting for long. Work that waits
 * itself, for the disk or another thread, keeps nobody waiting: that does not count.
 */
export function paceOf({ now, rest, afterOthers, busy }: PaceTimes): () => Promise<void> {
  /** When the piece that goes on began, and when it was last heard of. */
  let [since, last] = [now(), now()];
  /** What the pieces before it took, since the last rest. */
  let worked = 0;
  let isWatched = false;
  let resting: Promise<void> | undefined;
  const watch = (): void => {
    isWatched = true;
    afterOthers(() => {
      isWatched = false;
    });
  };
  return () => {
    const time = now();
    if (!isWatched) {
      worked += last - since;
      since = time;
      watch();
    }
    last = time;
    if (resting === undefined && worked + time - since < busy) return NO_REST;
    // Pieces of work that go on beside each other rest together.
    resting ??= rest().finally(() => {
      resting = undefined;
      worked = 0;
      since = last = now();
      if (!isWatched) watch();
    });
    return resting;
  };
}

/** Reads whole logs, with a rest now and then: on a folder each read is done without ever giving up the thread. */
export function paced(driver: StoreReader, breathe: () => Promise<void>): StoreReader {
  return {
    kind: driver.kind,
    read: async (key) => {
      await breathe();
      return await driver.read(key);
    },
    open: (key) => driver.open(key),
    head: (key) => driver.head(key),
    list: (prefix, after) => driver.list(prefix, after),
  };
}
