import type { StoreReader } from '../storage/driver.ts';

export interface PaceTimes {
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  /** Lets others run for a while. */
  readonly rest: () => Promise<void>;
  /** How long work may go on without a rest, in milliseconds. */
  readonly busy: number;
}

const NO_REST = Promise.resolve();

/** To be awaited between small pieces of work, so that whatever else the process does is never kept waiting for long. */
export function paceOf({ now, rest, busy }: PaceTimes): () => Promise<void> {
  let since = now();
  let resting: Promise<void> | undefined;
  return () => {
    if (resting === undefined && now() - since < busy) return NO_REST;
    // Pieces of work that go on beside each other rest together.
    resting ??= rest().finally(() => {
      resting = undefined;
      since = now();
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
