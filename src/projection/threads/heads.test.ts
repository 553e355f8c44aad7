import { describe, expect, test } from 'bun:test';
import type { RepositoryName } from '../../oci/names.ts';
import { type Head, Heads } from './heads.ts';

const [a, b] = ['a', 'b'] as RepositoryName[] as [RepositoryName, RepositoryName];

/** The same table in two threads. */
function twoThreads(): [Heads, Heads] {
  const memory = Heads.allocate();
  return [new Heads(memory), new Heads(memory)];
}

/** Whether the turn is taken at once. */
function takesAtOnce(head: Head): boolean {
  const turn = head.take();
  if (turn instanceof Promise) return false;
  turn();
  return true;
}

describe('counts', () => {
  test('are seen by all threads, for each repository and for the catalog', () => {
    const [one, other] = twoThreads();
    const before = [other.of(a).slots(), other.of(b).slots(), other.of(a).existence(), other.changed.count()];
    one.of(a).countSlot(one.of(a).slots());
    expect([other.of(a).slots() === before[0], other.of(b).slots() === before[1]]).toEqual([false, true]);
    expect([other.of(a).existence() === before[2], other.changed.count() === before[3]]).toEqual([true, true]);
    one.of(a).countExistence();
    expect([other.of(a).existence() === before[2], other.changed.count() === before[3]]).toEqual([false, false]);
  });

  test('a thread that counts remembers its own count, but not over the count of another', () => {
    const [one, other] = twoThreads();
    const seen = one.of(a).slots();
    const next = one.of(a).countSlot(seen);
    expect(next === one.of(a).slots()).toBe(true);
    other.of(a).countSlot(seen);
    expect(one.of(a).countSlot(next)).toBe(next);
    expect(one.of(a).slots() === next).toBe(false);
  });

  test('a creation is announced until each announcement has ended', () => {
    const [one, other] = twoThreads();
    one.of(a).announce();
    other.of(a).announce();
    one.of(a).endAnnouncement();
    expect([one.of(a).isAnnounced, one.of(b).isAnnounced]).toEqual([true, false]);
    other.of(a).endAnnouncement();
    expect(one.of(a).isAnnounced).toBe(false);
  });
});

describe('turns', () => {
  test('are taken at once if no other thread has one, and those of another repository do not matter', async () => {
    const [one, other] = twoThreads();
    const end = await one.of(a).take();
    expect(takesAtOnce(other.of(b))).toBe(true);
    end();
    expect(takesAtOnce(other.of(a))).toBe(true);
  });

  test('are given in the order of waiting, also to a thread that has just ended one', async () => {
    const [one, other] = twoThreads();
    const order: string[] = [];
    const writes = async (name: string, head: Head, count: number): Promise<void> => {
      for (let left = count; left > 0; left--) {
        const end = await head.take();
        order.push(name);
        await Bun.sleep(1);
        end();
      }
    };
    await Promise.all([writes('one', one.of(a), 4), writes('other', other.of(a), 4)]);
    expect(order).toEqual(['one', 'other', 'one', 'other', 'one', 'other', 'one', 'other']);
  });

  test('one that another thread never ends is waited for only for a while, and is then the next one when it ends', async () => {
    const [one, other] = twoThreads();
    const end = await one.of(a).take();
    const begin = performance.now();
    const withoutTurn = await other.of(a).take();
    expect(performance.now() - begin).toBeWithin(1_900, 30_000);
    withoutTurn();
    expect(other.of(a).take()).toBeInstanceOf(Promise);
    end();
    await Bun.sleep(20);
    expect(takesAtOnce(one.of(a))).toBe(false);
  });
});
