import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventually } from '../../test/support/eventually.ts';
import { eventBatches } from '../../test/support/generators.ts';
import { openProjection } from '../../test/support/projections.ts';
import { foldOf, slotsOf, writeLog } from '../../test/support/slots.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { Ledger } from './ledger.ts';
import { type CountedStore, type Sharing, UsageCounter } from './usage-counter.ts';

const NAMES = ['a', 'b', 'other'] as RepositoryName[];
const [A, B] = NAMES as [RepositoryName, RepositoryName];
const usage = (seq: number, bytes: number, exists = true): RepositoryUsage => ({ seq, exists, bytes, tags: 0 });

/** Sleeps that end when the test says so. */
class Sleeps {
  readonly #sleeping: { milliseconds: number; wake: () => void }[] = [];

  readonly sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', () => resolve());
      this.#sleeping.push({ milliseconds, wake: resolve });
    });

  /** Waits for a sleep, and ends it. @returns its milliseconds */
  async next(): Promise<number> {
    await eventually(() => expect(this.#sleeping.length).toBeGreaterThan(0));
    const first = this.#sleeping.shift();
    first?.wake();
    return first?.milliseconds ?? 0;
  }
}

function openCounter(store: CountedStore, sharing: Sharing, patterns: readonly string[] = ['a', 'b']) {
  const ledger = new Ledger();
  ledger.use([{ name: 'q', patterns, matches: (repo) => patterns.includes(repo), allowed: { bytes: 1 } }]);
  const sleeps = new Sleeps();
  const failures: unknown[] = [];
  const completed: number[] = [];
  let time = 0;
  const counter = new UsageCounter({
    ...{ store, sharing, ledger, sleep: sleeps.sleep },
    now: () => {
      time += 100;
      return time;
    },
    failed: (error) => failures.push(error),
    counted: (repositories) => completed.push(repositories),
  });
  return { ledger, counter, sleeps, failures, completed, used: () => ledger.used[0]?.used };
}

/** A store that holds what the test puts into it, and counts the requests. */
function openStore(held: Map<RepositoryName, RepositoryUsage>) {
  const asked: string[] = [];
  const of = (repo: RepositoryName) => held.get(repo) ?? usage(0, 0, false);
  const store: CountedStore = {
    repositories: (after) => {
      const names = [...held].flatMap(([repo, { exists }]) => (exists ? [repo] : [])).sort();
      const left = names.filter((name) => after === undefined || name > after);
      return { items: left.slice(0, 1), more: left.length > 1 };
    },
    newest: async (repo) => {
      asked.push(`newest ${repo}`);
      return of(repo);
    },
    usage: async (repo) => {
      asked.push(`usage ${repo}`);
      return of(repo);
    },
  };
  return { store, asked };
}

describe('counting', () => {
  test('gives the same result as a fold from the first slot, for any logs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(eventBatches, { minLength: 3, maxLength: 3 }),
        fc.constantFrom(0, 1e12),
        async (logs, budget) => {
          const driver = new MemoryDriver();
          const states = [];
          for (const [index, batches] of logs.entries()) {
            const slots = slotsOf(batches, NAMES[index]);
            await writeLog(driver, slots);
            states.push(foldOf(slots).usage);
          }
          const { counter, completed, used } = openCounter(openProjection(driver, { budget }), { kind: 'alone' });
          counter.countAll();
          await eventually(() => expect(counter.isComplete).toBe(true));
          await counter.close();
          const counted = states.slice(0, 2).filter(({ exists }) => exists);
          const sum = (of: (usage: RepositoryUsage) => number) => counted.reduce((all, each) => all + of(each), 0);
          expect(completed).toEqual([counted.length]);
          expect(used()).toEqual({
            bytes: sum(({ bytes }) => bytes),
            repositories: counted.length,
            tags: sum(({ tags }) => tags),
            slots: sum(({ seq }) => seq),
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  test('is repeated beside other writers, and reads only logs that have changed', async () => {
    const held = new Map([
      [A, usage(3, 30)],
      [B, usage(1, 10)],
      ['other' as RepositoryName, usage(1, 1)],
    ]);
    const { store, asked } = openStore(held);
    const { counter, sleeps, used, completed } = openCounter(store, { kind: 'always', everyMs: 15_000, pauseMs: 1 });
    counter.countAll();
    expect(await sleeps.next()).toBe(15_000);
    expect([used()?.bytes, asked.splice(0).sort()]).toEqual([40, ['usage a', 'usage b']]);

    held.set(A, usage(4, 31));
    await sleeps.next();
    expect([used()?.bytes, asked.splice(0).sort()]).toEqual([41, ['newest a', 'newest b', 'usage a']]);

    held.set(B, usage(2, 0, false));
    await sleeps.next();
    expect([used()?.bytes, asked.splice(0).sort()]).toEqual([31, ['newest a', 'usage b']]);
    expect(completed).toEqual([2]);
    await counter.close();
  });

  test('is reported and retried if it fails, and keeps what was counted', async () => {
    const { store } = openStore(
      new Map([
        [A, usage(1, 10)],
        [B, usage(1, 5)],
      ]),
    );
    let isBroken = true;
    const broken: CountedStore = {
      ...store,
      usage: (repo) => (isBroken && repo === B ? Promise.reject(new Error('no answer')) : store.usage(repo)),
    };
    const { counter, sleeps, failures, used } = openCounter(broken, { kind: 'alone' });
    counter.countAll();
    await eventually(() => expect(failures).toEqual([new Error('no answer')]));
    expect([counter.isComplete, used()?.bytes]).toEqual([false, 10]);
    isBroken = false;
    expect(await sleeps.next()).toBe(10_000);
    await eventually(() => expect(counter.isComplete).toBe(true));
    expect(used()?.bytes).toBe(15);
    await counter.close();
  });

  test('after writes is shared by all writes before it begins, and includes their reservations', async () => {
    const held = new Map([[A, usage(1, 10)]]);
    const { store, asked } = openStore(held);
    const { counter, ledger, sleeps, used } = openCounter(store, { kind: 'always', everyMs: 15_000, pauseMs: 2_000 });
    const reservation = ledger.reserve(A);
    reservation.want({ bytes: 1, tags: 0, slots: 0 });
    reservation.finish();
    expect([counter.written(A), counter.written(A)]).toEqual([false, false]);
    expect(await sleeps.next()).toBe(2_000);
    await eventually(() => expect(used()?.bytes).toBe(10));
    expect([asked.splice(0), ledger.finished(A)]).toEqual([['usage a'], []]);
    held.set(A, usage(2, 20));
    expect(counter.written(A)).toBe(false);
    await sleeps.next();
    await eventually(() => expect(used()?.bytes).toBe(20));
    await counter.close();
  });

  test('after a write is repeated until it succeeds', async () => {
    const { store } = openStore(new Map([[A, usage(1, 10)]]));
    let failing = 2;
    const broken: CountedStore = {
      ...store,
      usage: (repo) => {
        failing--;
        return failing >= 0 ? Promise.reject(new Error('no answer')) : store.usage(repo);
      },
    };
    const { counter, sleeps, used, failures } = openCounter(broken, {
      kind: 'always',
      everyMs: 15_000,
      pauseMs: 2_000,
    });
    counter.written(A);
    expect([await sleeps.next(), await sleeps.next(), await sleeps.next()]).toEqual([2_000, 10_000, 10_000]);
    await eventually(() => expect(used()?.bytes).toBe(10));
    expect(failures).toHaveLength(2);
    await counter.close();
  });

  test('is not needed after the writes of a process that writes alone', () => {
    const { store } = openStore(new Map());
    expect(openCounter(store, { kind: 'alone' }).counter.written(A)).toBe(true);
  });

  test('ends when the quotas change, and begins again with what they match', async () => {
    const { store, asked } = openStore(
      new Map([
        [A, usage(1, 10)],
        ['other' as RepositoryName, usage(1, 7)],
      ]),
    );
    const { counter, ledger, sleeps, used } = openCounter(store, { kind: 'sometimes', everyMs: 60_000 });
    counter.countAll();
    expect(await sleeps.next()).toBe(60_000);
    ledger.use([{ name: 'q', patterns: ['other'], matches: (repo) => repo === 'other', allowed: { bytes: 1 } }]);
    asked.splice(0);
    counter.countAll();
    await eventually(() => expect(used()?.bytes).toBe(7));
    expect(asked).toEqual(['usage other']);
    await counter.close();
  });
});
