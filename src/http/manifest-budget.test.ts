import { describe, expect, test } from 'bun:test';
import { ManifestBudget, type ManifestHold } from './manifest-budget.ts';

const LIMITS = { stalled: 100, patience: 100, maxWait: 400, maxWaiting: 100, interval: 10 };

interface Body {
  readonly hold: ManifestHold;
  readonly refused: () => boolean;
}

function open(budget: ManifestBudget): Body {
  let refused = false;
  const hold = budget.open((error) => {
    expect(error.kind).toBe('too-many-requests');
    refused = true;
  });
  return { hold, refused: () => refused };
}

describe('memory for manifests', () => {
  test('is granted at once while there is enough, and released completely', async () => {
    const budget = new ManifestBudget(100, LIMITS);
    const [one, other] = [open(budget), open(budget)];
    await one.hold.add(60);
    await other.hold.add(40);
    expect(budget.free).toBe(0);
    one.hold.release();
    one.hold.release();
    expect(budget.free).toBe(60);
    other.hold.release();
    expect(budget.free).toBe(100);
  });

  test('is not reserved for bytes that are announced but do not arrive', async () => {
    const budget = new ManifestBudget(100, LIMITS);
    for (let each = 0; each < 1_000; each++) open(budget);
    await open(budget).hold.add(100);
    expect(budget.free).toBe(0);
  });

  test('is taken at once from a body that has stalled, and from no other', async () => {
    const budget = new ManifestBudget(100, LIMITS);
    const [stalled, busy, complete, late] = [open(budget), open(budget), open(budget), open(budget)];
    await stalled.hold.add(30);
    await complete.hold.add(30);
    complete.hold.complete();
    await Bun.sleep(LIMITS.stalled + 10);
    await busy.hold.add(40);
    const begun = performance.now();
    await late.hold.add(10);
    expect(performance.now() - begun).toBeLessThan(LIMITS.patience);
    expect([stalled, busy, complete, late].map(({ refused }) => refused())).toEqual([true, false, false, false]);
    expect(budget.free).toBe(20);
  });

  test('is taken from the body with the highest cost', async () => {
    const budget = new ManifestBudget(100, LIMITS);
    const [small, big] = [open(budget), open(budget)];
    await small.hold.add(1);
    await big.hold.add(98);
    // Both trickle, so that neither has stalled.
    const trickle = setInterval(() => {
      for (const { hold, refused } of [small, big]) if (!refused()) void hold.add(0);
    }, 20);
    const late = open(budget);
    await late.hold.add(50);
    clearInterval(trickle);
    expect([small, big, late].map(({ refused }) => refused())).toEqual([false, true, false]);
    expect(budget.free).toBe(49);
  });

  test('is granted to the smallest waiting manifest first', async () => {
    const budget = new ManifestBudget(100, LIMITS);
    const [first, big, small] = [open(budget), open(budget), open(budget)];
    await first.hold.add(100);
    first.hold.complete();
    const order: string[] = [];
    const waiting = [
      big.hold.add(90).then(() => order.push('big')),
      small.hold.add(20).then(() => order.push('small')),
    ];
    first.hold.release();
    await waiting[1];
    small.hold.release();
    await Promise.all(waiting);
    expect(order).toEqual(['small', 'big']);
  });

  test('is waited for by a limited number of bodies; beyond it the largest is refused', async () => {
    const budget = new ManifestBudget(100, { ...LIMITS, maxWaiting: 2 });
    const first = open(budget);
    await first.hold.add(100);
    first.hold.complete();
    const bodies = [5, 20, 10].map((bytes) => ({ ...open(budget), bytes }));
    const waiting = bodies.map(({ hold, bytes }) => hold.add(bytes));
    expect(bodies.map(({ refused }) => refused())).toEqual([false, true, false]);
    first.hold.release();
    await Promise.all(waiting);
    expect(budget.free).toBe(85);
  });

  test('is not waited for indefinitely', async () => {
    const budget = new ManifestBudget(100, LIMITS);
    const [first, late] = [open(budget), open(budget)];
    await first.hold.add(100);
    first.hold.complete();
    const begun = performance.now();
    await late.hold.add(1);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(LIMITS.maxWait - 5);
    expect([first.refused(), late.refused(), budget.free]).toEqual([false, true, 0]);
    first.hold.release();
    expect(budget.free).toBe(100);
  });

  test('that is used up by incomplete bodies goes to some of them, so that these complete', async () => {
    const budget = new ManifestBudget(1_000, LIMITS);
    const bodies = Array.from({ length: 50 }, () => open(budget));
    await Promise.all(
      bodies.map(async ({ hold, refused }) => {
        for (let came = 0; came < 100 && !refused(); came += 10) await hold.add(10);
        hold.complete();
        await Bun.sleep(1);
        hold.release();
      }),
    );
    expect(bodies.filter(({ refused }) => !refused()).length).toBeGreaterThanOrEqual(10);
    expect(budget.free).toBe(1_000);
  });
});
