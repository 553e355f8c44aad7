import { afterAll, beforeAll } from 'bun:test';
import { ulid } from 'ulid';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import { startRedis, stopRedis } from '../support/redis.ts';
import { connect, openNode, type WatchedRedis } from '../support/redis-projections.ts';
import { cleanUp } from '../support/server.ts';
import { projectionContract } from './projection.contract.ts';

let redis: WatchedRedis;

beforeAll(async () => {
  redis = await connect((await startRedis()).url);
}, TOOLS_WITHIN_MS);

afterAll(async () => {
  await redis.close();
  await stopRedis();
  await cleanUp();
});

// Each reopened projection is another node.
projectionContract('Redis', async (clock) => {
  const driver = new MemoryDriver();
  const store = ulid();
  let number = 0;
  const open = async () => {
    const newId = countingIncarnations(clock.now, number++);
    const { now } = clock;
    return (await openNode(redis, driver, { store, newId, now })).projection;
  };
  return { projection: await open(), reopen: open, close: () => driver.close() };
});
