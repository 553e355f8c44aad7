// Schedules actors that share a store: one runs at a time, up to its next call of the store, in an order drawn from a seed.
import type { StorageDriver } from '../../src/storage/driver.ts';
import type { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { settleAll } from '../../src/storage/not-durable.ts';
import type { Random } from './drill/random.ts';

const STUCK_AFTER = 2_000;

/**
 * Each actor has a priority, and the runnable actor with the highest one runs. Occasionally the actor that ran gets a new priority.
 * So an actor can be overtaken at any step, for as long as all others take; uniform choice would almost never produce that.
 */
export class ActorScheduler {
  readonly #random: Random;
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #priority = new Map<string, number>();
  readonly #lives = new Map<string, { moves: number; readonly died: () => void }>();
  readonly steps: string[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  waitForTurn(actor: string, what: string): Promise<void> {
    return new Promise((resolve) => {
      const mine = this.#waiting.get(actor) ?? [];
      mine.push(() => {
        this.steps.push(`${actor}: ${what}`);
        resolve();
      });
      this.#waiting.set(actor, mine);
    });
  }

  /** After `moves` steps the actor never runs again, as after kill -9. Resolves then. */
  killAfter(actor: string, moves: number): Promise<void> {
    return new Promise((died) => this.#lives.set(actor, { moves, died }));
  }

  /** Runs all actors until the work is done. */
  async run(work: Promise<unknown>): Promise<void> {
    let done = false;
    const settled = work.finally(() => {
      done = true;
    });
    settled.catch(() => {});
    for (let idle = 0; !done; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#next();
      if (next !== undefined) {
        idle = 0;
        next();
      } else if (++idle > STUCK_AFTER)
        throw new Error(`no actor can run; the last steps:\n${this.steps.slice(-20).join('\n')}`);
    }
    await settled;
  }

  #next(): (() => void) | undefined {
    const able = [...this.#waiting].filter(([actor, turns]) => turns.length > 0 && this.#lives.get(actor)?.moves !== 0);
    const [first] = able.sort(([one], [other]) => this.#priorityOf(other) - this.#priorityOf(one));
    if (first === undefined) return undefined;
    if (this.#random.chance(0.08)) this.#priority.set(first[0], this.#random.between(0, 1_000_000));
    this.#age(first[0]);
    return first[1].shift();
  }

  #age(actor: string): void {
    const life = this.#lives.get(actor);
    if (life !== undefined && --life.moves === 0) life.died();
  }

  #priorityOf(actor: string): number {
    const known = this.#priority.get(actor);
    if (known !== undefined) return known;
    const drawn = this.#random.between(0, 1_000_000);
    this.#priority.set(actor, drawn);
    return drawn;
  }
}

/** The store of one actor, which waits for its turn before each call. */
export function driverOf(actor: string, shared: MemoryDriver, scheduler: ActorScheduler): StorageDriver {
  const turn = (what: string): Promise<void> => scheduler.waitForTurn(actor, what);
  return {
    kind: shared.kind,
    create: async (key, bytes, named = []) => {
      await settleAll(named);
      await turn(`create ${key}`);
      const result = await shared.create(key, bytes);
      await turn(`created ${key}: ${result}`);
      return result;
    },
    write: async (key, bytes) => {
      await turn(`write ${key}`);
      return await shared.write(key, bytes);
    },
    put: async (key, bytes) => {
      await turn(`put ${key}`);
      await shared.put(key, bytes);
    },
    read: async (key) => {
      await turn(`read ${key}`);
      return await shared.read(key);
    },
    head: async (key) => {
      await turn(`head ${key}`);
      return await shared.head(key);
    },
    open: (key) => shared.open(key),
    delete: async (keys) => {
      for (const key of keys) {
        await turn(`delete ${key}`);
        await shared.delete([key]);
      }
      return [];
    },
    deleteAll: (prefix) => shared.deleteAll(prefix),
    list: async function* (prefix, after) {
      await turn(`list ${prefix}`);
      yield* shared.list(prefix, after);
    },
    confirm: () => shared.confirm(),
    stage: (...args) => shared.stage(...args),
    takeOver: (...args) => shared.takeOver(...args),
    digestStaged: (...args) => shared.digestStaged(...args),
    commit: (...args) => shared.commit(...args),
    discard: (...args) => shared.discard(...args),
    close: () => shared.close(),
  };
}
