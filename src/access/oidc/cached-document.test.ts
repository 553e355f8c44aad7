import { expect, test } from 'bun:test';
import { CachedDocument } from './cached-document.ts';
import { IssuerProblem } from './issuer-problem.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

interface World {
  now: number;
  /** What the next load gives: a IssuerProblem without it. */
  next: string | undefined;
  /** Loads wait for it. */
  blocked: Promise<void> | undefined;
  loads: number;
  readonly told: string[];
  readonly cached: CachedDocument<string>;
}

function open(): World {
  const world: World = {
    now: 0,
    next: 'first',
    blocked: undefined,
    loads: 0,
    told: [],
    cached: new CachedDocument({
      load: async () => {
        world.loads++;
        await (world.blocked ?? Bun.sleep(1));
        if (world.next === undefined) throw new IssuerProblem('it is down');
        return world.next;
      },
      freshMs: 10 * MINUTE,
      monotonic: () => world.now,
      onFailure: (reason, usesLast) => world.told.push(`${reason}, ${usesLast ? 'last keys' : 'no keys'}`),
      onRecovery: () => world.told.push('recovered'),
      onDefect: (error) => world.told.push(String(error)),
    }),
  };
  return world;
}

test('keys are loaded on first use, once for concurrent requests, and not again while they are fresh', async () => {
  const world = open();
  const all = await Promise.all(Array.from({ length: 100 }, () => world.cached.current()));
  expect(new Set(all)).toEqual(new Set(['first']));
  world.now += 10 * MINUTE - 1;
  world.next = 'second';
  expect(await world.cached.current()).toBe('first');
  expect(world.loads).toBe(1);
  world.now += 1;
  // The last keys are used while new ones are loaded.
  expect(await world.cached.current()).toBe('first');
  await Bun.sleep(10);
  expect(await world.cached.current()).toBe('second');
  expect(world.loads).toBe(2);
});

test('keys that have not been used for an hour are loaded again before they are used', async () => {
  const world = open();
  await world.cached.current();
  world.next = 'second';
  world.now += HOUR;
  expect(await world.cached.current()).toBe('second');
});

test('an issuer that does not respond delays only callers without usable keys', async () => {
  const world = open();
  await world.cached.current();
  world.next = undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  world.blocked = promise;
  world.now += HOUR - 1;
  expect(await world.cached.current()).toBe('first');
  resolve();
  await Bun.sleep(1);
  // The issuer is known to be down, so old keys need not wait for it either.
  world.blocked = Promise.withResolvers<void>().promise;
  world.now += 2 * HOUR;
  expect(await world.cached.current()).toBe('first');
  expect([world.loads, world.told]).toEqual([3, ['it is down, last keys']]);
});

test('a missing key is searched for at most once a minute', async () => {
  const world = open();
  await world.cached.current();
  world.next = 'second';
  world.now += MINUTE - 1;
  expect(await world.cached.otherThan('first')).toBeUndefined();
  world.now += 1;
  const both = await Promise.all([world.cached.otherThan('first'), world.cached.otherThan('first')]);
  expect(both).toEqual(['second', 'second']);
  expect(world.loads).toBe(2);
  for (let second = 0; second < 600; second++) {
    world.now += SECOND;
    await world.cached.otherThan('second');
  }
  expect(world.loads).toBe(12);
});

test('the last keys of an issuer that is down stay in use for a day', async () => {
  const world = open();
  await world.cached.current();
  world.next = undefined;
  world.now += 24 * HOUR - 1;
  expect(await world.cached.current()).toBe('first');
  world.now += 1;
  expect(await world.cached.current()).toBeUndefined();
  world.now += 5 * SECOND;
  world.next = 'second';
  expect(await world.cached.current()).toBe('second');
  expect(world.told).toEqual(['it is down, last keys', 'recovered']);
});

test('an issuer that is down is retried every five seconds, and the log has one line a minute', async () => {
  const world = open();
  world.next = undefined;
  for (let tenth = 0; tenth < 1_800; tenth++) {
    expect(await world.cached.current()).toBeUndefined();
    world.now += SECOND / 10;
  }
  expect(world.loads).toBe(36);
  expect(world.told).toEqual(Array.from({ length: 3 }, () => 'it is down, no keys'));
});

test('a defect is not mistaken for an issuer that is down', async () => {
  const cached = new CachedDocument({
    load: () => Promise.reject(new TypeError('a defect')),
    freshMs: MINUTE,
    monotonic: () => 0,
    onFailure: () => {},
    onRecovery: () => {},
    onDefect: () => {},
  });
  await expect(cached.current()).rejects.toThrow(TypeError);
});
