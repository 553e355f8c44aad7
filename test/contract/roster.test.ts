// The list of those that are there, in a real Redis.
import { expect, test } from 'bun:test';
import { z } from 'zod';
import type { Incarnation } from '../../src/oci/names.ts';
import { RedisRoster } from '../../src/operations/roster/roster.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import { redisWorld } from '../support/redis-projections.ts';

const world = redisWorld();
const newId = countingIncarnations(Date.now);
const MAX_LISTED = 500;
let lists = 0;

/** A list of its own. */
async function openRoster() {
  const { redis } = await world.node();
  const name = `list-${lists++}`;
  const malformed: unknown[] = [];
  const open = (store: string): RedisRoster<string> =>
    new RedisRoster({ redis, store, name, schema: z.string(), malformed: (error) => malformed.push(error) });
  const [heard, said] = [`{${world.store}}:${name}:heard`, `{${world.store}}:${name}`];
  return { roster: open(world.store), open, malformed, heard, said };
}

async function names(roster: RedisRoster<string>): Promise<string[]> {
  return (await roster.list()).map(({ about }) => about);
}

test('lists what each said last, the one heard last first, until it leaves; by store', async () => {
  const { roster, open } = await openRoster();
  const [one, other] = [newId(), newId()];
  await roster.announce(one, 'one');
  await Bun.sleep(2);
  await roster.announce(other, 'other');
  expect(await names(roster)).toEqual(['other', 'one']);
  await Bun.sleep(2);
  await roster.announce(one, 'one again');
  const listed = await roster.list();
  expect(listed.map(({ id, about }) => [id, about])).toEqual([
    [one, 'one again'],
    [other, 'other'],
  ]);
  for (const { silentFor } of listed) expect(silentFor).toBeLessThan(60_000);
  expect(await names(open(`${world.store}-other`))).toEqual([]);
  await roster.leave(one);
  expect(await names(roster)).toEqual(['other']);
});

test('drops those that were silent for a day, and of too many those that were silent the longest', async () => {
  const { roster, heard, said } = await openRoster();
  const old = newId();
  await roster.announce(old, 'old');
  await world.server.cli('ZADD', heard, String(Date.now() - 25 * 3_600_000), old);
  await roster.announce(newId(), 'new');
  expect(await names(roster)).toEqual(['new']);
  for (let each = 0; each <= MAX_LISTED; each++) await roster.announce(newId(), `n${each}`);
  const listed = await names(roster);
  expect([listed.length, listed.includes('new'), listed.includes(`n${MAX_LISTED}`)]).toEqual([MAX_LISTED, false, true]);
  expect(await world.server.cli('HLEN', said)).toBe(String(MAX_LISTED));
  expect(Number(await world.server.cli('PTTL', said))).toBeGreaterThan(0);
});

test('says how long one has been silent by the clock of Redis', async () => {
  const { roster, heard } = await openRoster();
  const id = newId();
  await roster.announce(id, 'x');
  await world.server.cli('ZADD', heard, String(Date.now() - 90_000), id);
  const [silent] = await roster.list();
  expect(silent?.silentFor).toBeGreaterThanOrEqual(90_000);
  expect(silent?.silentFor).toBeLessThan(150_000);
  await world.server.cli('ZADD', heard, String(Date.now() + 3_600_000), id);
  expect((await roster.list())[0]?.silentFor).toBe(0);
});

test('leaves out what another program wrote, and says so once for each look', async () => {
  const { roster, malformed, heard, said } = await openRoster();
  await roster.announce(newId(), 'ours');
  const write = async (id: string, score: string, text: string): Promise<void> => {
    await world.server.cli('ZADD', heard, score, id);
    await world.server.cli('HSET', said, id, text);
  };
  await write('no id', '1', '"x"');
  await write(newId(), '1', 'no JSON');
  await write(newId(), '1', '{"name":"x"}');
  await write(newId(), '1', JSON.stringify('x'.repeat(5_000)));
  await write(newId(), '-inf', '"x"');
  await world.server.cli('ZADD', heard, '1', newId());
  expect(malformed).toHaveLength(0);
  expect(await names(roster)).toEqual(['ours']);
  expect(malformed).toHaveLength(1);
});

test.each([0, 1])('begins again where key %i has a value of another type', async (index) => {
  const { roster, malformed, heard, said } = await openRoster();
  const key = [heard, said][index] ?? '';
  await roster.announce(newId(), 'before');
  await world.server.cli('DEL', key);
  await world.server.cli('SET', key, 'x');
  await roster.announce(newId(), 'after');
  expect(await names(roster)).toEqual(['after']);
  expect(malformed).toHaveLength(1);
  await world.server.cli('DEL', key);
  await world.server.cli('SET', key, 'x');
  expect(await names(roster)).toEqual([]);
  await roster.leave(newId());
});

test('goes on while Redis is full', async () => {
  const { roster } = await openRoster();
  const id: Incarnation = newId();
  await world.server.cli('CONFIG', 'SET', 'maxmemory', '1');
  try {
    await roster.announce(id, 'here');
    expect(await names(roster)).toEqual(['here']);
    await roster.leave(id);
  } finally {
    await world.server.cli('CONFIG', 'SET', 'maxmemory', '0');
  }
});
