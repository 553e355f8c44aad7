import type { StoreReader } from '../storage/driver.ts';

export interface PaceTimes {
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  /** Lets other work run for a while. */
  readonly rest: () => Promise<void>;
  /** How long work may run without a rest, in milliseconds. */
  readonly busy: number;
}

const NO_REST = Promise.resolve();

/** Resolves once the tasks just woken have run as far as they can without waiting. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/** To be awaited between small pieces of work, so that whatever else the process does is never kept waiting for long. */
export function createPacer({ now, rest, busy }: PaceTimes): () => Promise<void> {
  let since = now();
  let isWaking = false;
  const waiting: PromiseWithResolvers<void>[] = [];
  // Pieces of work that go on beside each other rest together, but are woken one after the other: what all of them do in one go
  // would be many times as long.
  const wakeAll = async (): Promise<void> => {
    isWaking = true;
    try {
      while (waiting.length > 0) {
        await rest();
        since = now();
        do {
          waiting.shift()?.resolve();
          await settled();
        } while (waiting.length > 0 && now() - since < busy);
      }
    } catch (error) {
      for (const each of waiting.splice(0)) each.reject(error);
    } finally {
      isWaking = false;
    }
  };
  return () => {
    if (waiting.length === 0 && now() - since < busy) return NO_REST;
    const own = Promise.withResolvers<void>();
    waiting.push(own);
    if (!isWaking) void wakeAll();
    return own.promise;
  };
}

/** Reads whole logs, with a rest now and then: on a folder each read is done without ever giving up the thread. */
export function paced(driver: StoreReader, yieldToRequests: () => Promise<void>): StoreReader {
  return {
    kind: driver.kind,
    read: async (key) => {
      await yieldToRequests();
      return await driver.read(key);
    },
    open: (key) => driver.open(key),
    head: (key) => driver.head(key),
    list: (prefix, after) => driver.list(prefix, after),
  };
}
