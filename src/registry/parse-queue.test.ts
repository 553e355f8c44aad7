import { describe, expect, test } from 'bun:test';
import { RegistryError } from '../oci/errors.ts';
import type { Steps } from '../oci/strict-json.ts';
import { ParseQueue } from './parse-queue.ts';

/** A clock that only work and sleep advance, and a record of the order of events. */
class World {
  now = 0;
  readonly events: string[] = [];
  readonly queue = new ParseQueue({
    now: () => this.now,
    sleep: async (milliseconds) => {
      this.events.push(`sleep ${milliseconds}`);
      this.now += milliseconds;
    },
  });

  /** Steps that each take the given number of milliseconds. */
  *work(name: string, steps: number, cost: number): Steps<string> {
    for (let step = 0; step < steps; step++) {
      if (step > 0) yield;
      this.now += cost;
      this.events.push(name);
    }
    return name;
  }

  run(name: string, size: number, steps: number, cost: number): string | Promise<string> {
    return this.queue.run(size, this.work(name, steps, cost));
  }
}

describe('manifests', () => {
  test('that are small are parsed at once, as many as fit into a slice', async () => {
    const world = new World();
    for (let each = 0; each < 4; each++) expect(world.run(`m${each}`, 100, 1, 1)).toBe(`m${each}`);
    expect(world.run('late', 100, 1, 1)).toBeInstanceOf(Promise);
    expect(world.events).toEqual(['m0', 'm1', 'm2', 'm3', 'sleep 4']);
    await Bun.sleep(0);
    expect(world.events).toEqual(['m0', 'm1', 'm2', 'm3', 'sleep 4', 'late']);
    // Each turn of the event loop has a new slice.
    await new Promise(setImmediate);
    expect(world.run('next', 100, 1, 1)).toBe('next');
  });

  test('that are big leave the thread to others for as long as each step took', async () => {
    const world = new World();
    expect(await world.run('big', 4_000_000, 3, 20)).toBe('big');
    expect(world.events).toEqual(['big', 'sleep 20', 'big', 'sleep 20', 'big']);
  });

  test('are parsed one at a time, the smallest waiting one first', async () => {
    const world = new World();
    const all = [
      world.run('first', 1_000, 2, 10),
      world.run('big', 4_000, 2, 10),
      world.run('middle', 2_000, 1, 10),
      world.run('small', 10, 1, 1),
    ];
    expect(await Promise.all(all)).toEqual(['first', 'big', 'middle', 'small']);
    const done = world.events.filter((event) => !event.startsWith('sleep'));
    expect(done).toEqual(['first', 'first', 'small', 'middle', 'big', 'big']);
  });

  test('that are big are not overtaken by smaller ones forever', async () => {
    const world = new World();
    const begun = world.run('busy', 1, 1, 5);
    const big = world.run('big', 4_000, 1, 10);
    for (let each = 0; each < 400; each++) void world.run('small', 10, 1, 5);
    await Promise.all([begun, big]);
    const before = world.events.slice(0, world.events.indexOf('big')).filter((event) => event === 'small').length;
    // Each small one takes 5 ms and a rest of 5 ms. After 2 s the big one has priority.
    expect(before).toBeWithin(150, 250);
  });

  test('that wait too long are refused, and the others are still parsed', async () => {
    const world = new World();
    const begun = world.run('slow', 1, 1, 11_000);
    const late = Promise.resolve(world.run('late', 10, 1, 1)).catch((error: unknown) => error);
    expect(await begun).toBe('slow');
    const error = await late;
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ kind: 'too-many-requests' });
    expect(await world.run('next', 10, 1, 1)).toBe('next');
  });

  test('that are invalid are refused with their own error, at once or later', async () => {
    const world = new World();
    const failing = function* (steps: number): Steps<never> {
      for (let step = 0; step < steps; step++) {
        world.now += 10;
        yield;
      }
      throw new Error('wrong');
    };
    expect(() => world.queue.run(1, failing(0))).toThrow('wrong');
    await expect(Promise.resolve(world.queue.run(1, failing(3)))).rejects.toThrow('wrong');
    expect(await world.run('next', 10, 1, 1)).toBe('next');
  });
});
