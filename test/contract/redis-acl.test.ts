// The ACL user in docs/operations.md: it is enough for nodes and workers, and allows nothing else.
import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { z } from 'zod';
import { RedisBoard } from '../../src/feed/redis-board.ts';
import { RedisRoster } from '../../src/operations/roster/roster.ts';
import { RedisSessions } from '../../src/sessions/redis-sessions.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import { eventually } from '../support/eventually.ts';
import { openBullQueue, openBullWorkers } from '../support/jobs.ts';
import { raise } from '../support/raise.ts';
import { catalogOf, type OpenNode, redisWorld, tagsOf } from '../support/redis-projections.ts';
import { A, ACTOR, EXPIRY } from '../support/registry.ts';
import { projectRoot } from '../support/server.ts';
import { setTags } from '../support/writers.ts';

const world = redisWorld();
const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

const PASSWORD = 'secret';

/** Runs the documented command for this store. @returns the URL of Redis with that user */
async function addUser(): Promise<string> {
  const page = await Bun.file(join(projectRoot, 'docs/operations.md')).text();
  const [line = ''] = /^ {4}ACL SETUSER marina .*$/m.exec(page) ?? [];
  const words = line.trim().replaceAll('STORE', world.store).replaceAll('PASSWORD', PASSWORD).split(' ');
  expect(await world.server.cli(...words)).toBe('OK');
  return world.server.url.replace('redis://', `redis://marina:${PASSWORD}@`);
}

async function expectViews(node: OpenNode): Promise<void> {
  await node.projection.submit(A, setTags('x'));
  expect(await tagsOf(node.projection, A)).toEqual(['x']);
  expect(await catalogOf(node.projection)).toEqual([A]);
  // A restart, a foreign write and a loss: verified, discarded and rebuilt.
  await world.server.cli('HSET', `{${world.store}:${A}}:meta`, 'owner', 'another');
  expect(await tagsOf(node.projection, A)).toEqual(['x']);
  for (const key of [`{${world.store}:${A}}:meta`, `{${world.store}}:meta`]) {
    await world.server.cli('DEL', key);
    await world.server.cli('SET', key, 'x');
  }
  expect(await tagsOf(node.projection, A)).toEqual(['x']);
  expect(await catalogOf(node.projection)).toEqual([A]);
  await world.server.cli('FLUSHALL');
  expect(await tagsOf(node.projection, A)).toEqual(['x']);
  expect(node.observed.filter((each) => each === 'gone')).toEqual([]);
}

async function expectUploads({ redis }: OpenNode): Promise<void> {
  const newId = countingIncarnations(Date.now);
  const sessions = new RedisSessions({
    ...{ redis, store: world.store, driver: world.driver, now: Date.now, expiry: EXPIRY, newToken: newId },
    ...{ repeat: () => () => {}, failed: raise, malformed: raise },
  });
  const owner = { repo: A, actor: ACTOR.id };
  const { id } = await sessions.create(owner, 'sha256');
  const lease = await sessions.lease(id, owner);
  if (typeof lease === 'string') return expect.unreachable();
  await lease.save({ ...lease.session, offset: 1, inc: newId() });
  await lease.release();
  expect((await sessions.load(id, owner))?.offset).toBe(1);
  await sessions.expire(Date.now() + 1000, new AbortController().signal);
  const again = await sessions.lease(id, owner);
  if (typeof again === 'string') return expect.unreachable();
  await again.end();
  expect(await sessions.load(id, owner)).toBeUndefined();
}

async function expectHints({ redis }: OpenNode): Promise<void> {
  const board = new RedisBoard(redis, world.store);
  await board.put(new Map([[A, 3]]));
  expect(await board.take()).toEqual({ kind: 'now', hints: new Map([[A, 3]]) });
  await board.remove(new Map([[A, 3]]), 1);
  expect(await board.look()).toEqual({ newest: 1, hasHints: false });
}

async function expectRoster({ redis }: OpenNode): Promise<void> {
  const roster = new RedisRoster({ redis, store: world.store, name: 'x', schema: z.string(), malformed: raise });
  const id = countingIncarnations(Date.now)();
  await roster.announce(id, 'here');
  expect(await roster.list()).toMatchObject([{ id, about: 'here' }]);
  await roster.leave(id);
  expect(await roster.list()).toEqual([]);
}

async function expectJobs(url: string): Promise<void> {
  const ran: string[] = [];
  const { queue, troubles } = openBullQueue(url, world.store);
  closing.push(() => queue.close());
  const workers = openBullWorkers(url, world.store, {
    run: async ({ kind }, _signal, tell) => {
      tell?.({ done: 1 });
      ran.push(kind);
      if (kind === 'collect' && ran.filter((each) => each === kind).length < 3) throw new Error('again');
    },
    onError: (error) => troubles.push(error),
  });
  closing.push(() => workers.close());
  expect(await queue.enqueue({ kind: 'snapshot', repo: A })).toBe(true);
  expect(await queue.enqueue({ kind: 'collect' })).toBe(true);
  await queue.schedule('expire-uploads', 50);
  await eventually(() => {
    expect(ran).toContain('snapshot');
    expect(ran).toContain('expire-uploads');
    expect(ran.filter((each) => each === 'collect')).toHaveLength(3);
  });
  expect((await queue.counts()).length).toBeGreaterThan(0);
  expect(await queue.deadLetters(10)).toEqual([]);
  expect(troubles).toEqual([]);
}

test('the documented user is enough for views, uploads, hints, lists and jobs, and for nothing else', async () => {
  const url = await addUser();
  const node = await world.node({}, url);
  // It may run INFO, but not CONFIG.
  expect(node.redis.unchecked).toEqual(['maxmemory-policy']);
  await expectViews(node);
  await expectUploads(node);
  await expectHints(node);
  await expectRoster(node);
  await expectJobs(url);
  const login = ['--user', 'marina', '--pass', PASSWORD, '--no-auth-warning'];
  for (const command of [
    ['FLUSHALL'],
    ['KEYS', '*'],
    ['CONFIG', 'GET', 'requirepass'],
    ['ACL', 'LIST'],
    ['SCRIPT', 'FLUSH'],
    ['SHUTDOWN'],
    ['GET', '{01ARZ3NDEKTSV4RRFFQ69G5FAV:team/a}:meta'],
    ['SET', 'other', '1'],
    ['EVAL', "return redis.call('GET', 'other')", '0'],
  ]) {
    expect(await world.server.cli(...login, ...command).catch(String)).toMatch(/NOPERM|can.t access/);
  }
}, 300_000);
