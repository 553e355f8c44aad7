// Where hints about logs that have grown wait for a note: in memory, and in a real Redis.
import { describe, expect, test } from 'bun:test';
import { MemoryBoard, NOTE_EVERY_MS, NOTES_AT_ONCE } from '../../src/feed/hint-board.ts';
import { RedisBoard } from '../../src/feed/redis-board.ts';
import { eventually } from '../support/eventually.ts';
import { hints } from '../support/feed.ts';
import { redisWorld } from '../support/redis-projections.ts';

const world = redisWorld();
let boards = 0;

/** A board of a store of its own. */
async function openRedisBoard(): Promise<RedisBoard> {
  const { redis } = await world.node();
  return new RedisBoard(redis, `${world.store}-${boards++}`);
}

describe.each([
  ['in memory', async () => new MemoryBoard(() => performance.now())],
  ['in Redis', openRedisBoard],
] as const)('a board %s', (_, open) => {
  test('keeps the later of two hints, until it is noted', async () => {
    const board = await open();
    expect(await board.take()).toEqual({ kind: 'nothing' });
    await board.put(hints({ a: 3, b: 1 }));
    await board.put(hints({ a: 2, c: 7 }));
    expect(await board.take()).toEqual({ kind: 'now', hints: hints({ a: 3, b: 1, c: 7 }) });
    // It has grown while the note was written.
    await board.put(hints({ b: 2 }));
    await board.remove(hints({ a: 3, b: 1, c: 8 }), 1);
    expect(await board.take()).toEqual({ kind: 'now', hints: hints({ b: 2 }) });
    await board.remove(hints({ b: 2 }), 2);
    expect(await board.take()).toEqual({ kind: 'nothing' });
  });

  test('gives a few turns at once, and then one a second', async () => {
    const board = await open();
    await board.put(hints({ a: 1 }));
    const begun = performance.now();
    let turns = 0;
    let turn = await board.take();
    for (; turn.kind === 'now'; turn = await board.take()) turns++;
    // On a busy machine the next ones may be due meanwhile.
    const due = Math.floor((performance.now() - begun) / NOTE_EVERY_MS);
    expect(turns).toBeWithin(NOTES_AT_ONCE, NOTES_AT_ONCE + due + 1);
    if (turn.kind !== 'later') return expect.unreachable();
    expect(turn.after).toBeGreaterThan(0);
    expect(turn.after).toBeLessThanOrEqual(NOTE_EVERY_MS);
    await eventually(async () => expect((await board.take()).kind).toBe('now'));
  });
});

describe('a board in Redis', () => {
  test('is shared by all nodes of a store, and by no other store', async () => {
    const [one, other] = [await world.node(), await world.node()];
    const [first, second] = [one, other].map(({ redis }) => new RedisBoard(redis, `${world.store}-shared`));
    await first?.put(hints({ a: 1 }));
    expect(await second?.look()).toEqual({ newest: 0, hasHints: true });
    expect(await second?.take()).toEqual({ kind: 'now', hints: hints({ a: 1 }) });
    await second?.remove(hints({ a: 1 }), 5);
    expect(await first?.look()).toEqual({ newest: 5, hasHints: false });
    expect(await new RedisBoard(one.redis, `${world.store}-foreign`).take()).toEqual({ kind: 'nothing' });
  });

  test('holds many hints, and gives them in parts', async () => {
    const board = await openRedisBoard();
    const many = Object.fromEntries(Array.from({ length: 2_500 }, (_, index) => [`r${index}`, index + 1]));
    await board.put(hints(many));
    const turn = await board.take();
    expect(turn.kind).toBe('now');
    if (turn.kind !== 'now') return;
    expect(turn.hints.size).toBe(1_000);
    for (const [repo, seq] of turn.hints) expect(many[repo]).toBe(seq);
  });

  test('survives values that another program wrote there', async () => {
    const { redis } = await world.node();
    const store = `${world.store}-spoiled`;
    const board = new RedisBoard(redis, store);
    for (const key of [`{${store}}:hints`, `{${store}}:noted`]) await world.server.cli('SET', key, 'x');
    await board.put(hints({ a: 1 }));
    expect(await board.take()).toEqual({ kind: 'now', hints: hints({ a: 1 }) });
    await world.server.cli('HSET', `{${store}}:hints`, 'a', 'x', 'B!', '3', 'c', '-1');
    await board.put(hints({ a: 2, d: 4 }));
    const turn = await board.take();
    expect(turn.kind === 'now' && [...turn.hints].sort()).toEqual([...hints({ a: 2, d: 4 })]);
  });
});
