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

/** Returns a function to await between small pieces of work, so that requests in the same process never wait long. */
export function createPacer({ now, rest, busy }: PaceTimes): () => Promise<void> {
  let since = now();
  let isWaking = false;
  const waiting: PromiseWithResolvers<void>[] = [];
  // Concurrent pieces of work rest together but are woken one after another. Woken at once, they would hold the thread many times
  // longer than `busy`.
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
    const turn = Promise.withResolvers<void>();
    waiting.push(turn);
    if (!isWaking) void wakeAll();
    return turn.promise;
  };
}

/** A reader that rests between reads. Reads from a folder are synchronous, so reading a whole log would block the thread. */
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
