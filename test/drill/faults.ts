import type { Random } from '../support/drill/random.ts';
import { type ConnectionFaults, NO_FAULTS } from '../support/fault-proxy.ts';
import { type RedisGroup, startRedis } from '../support/redis.ts';
import type { Figures } from './figures.ts';
import type { Stack } from './stack.ts';
import type { Terms } from './world.ts';

/** The faults of a stack under load. */
export interface Drill {
  readonly name: string;
  readonly terms: Terms;
  /** Runs before the load starts. */
  prepare?(scene: Scene): Promise<void>;
  run(scene: Scene): Promise<void>;
}

export interface Scene {
  readonly stack: Stack;
  readonly random: Random;
  readonly figures: Figures;
  /** The duration of a fault, or the time between two, in milliseconds. */
  readonly while: number;
  readonly group: () => Promise<RedisGroup>;
}

const NOTHING_LOST: Terms = { pullsGoOn: true, sessions: 'kept' };
const REDIS_LOST: Terms = { pullsGoOn: true, sessions: 'lost' };
const REDIS_OLDER: Terms = { pullsGoOn: true, sessions: 'lost or older' };
const STORE_AWAY: Terms = { pullsGoOn: false, sessions: 'kept' };

/** One of 25 responses of the store, and one of 200 of Redis, is lost after the request was executed. */
const STORM: ConnectionFaults = { lostResponses: 25, lostRequests: 40, delayedResponses: 10, maxDelay: 400 };
const REDIS_STORM: ConnectionFaults = { lostResponses: 200, lostRequests: 400, delayedResponses: 40, maxDelay: 300 };

const calm: Drill = { name: 'nothing', terms: NOTHING_LOST, run: (scene) => Bun.sleep(scene.while) };

const killNodes: Drill = {
  name: 'nodes killed',
  terms: NOTHING_LOST,
  async run({ stack, figures, random, while: time }) {
    for (const node of random.shuffled(stack.nodes)) {
      await Bun.sleep(random.between(time / 6, time / 2));
      figures.faults++;
      await node.kill();
      await Bun.sleep(random.between(0, time / 4));
      await stack.restart(node);
    }
  },
};

const flush: Drill = {
  name: 'FLUSHALL',
  terms: REDIS_LOST,
  async run({ stack, figures, random, while: time }) {
    for (let flushes = 0; flushes < 4; flushes++) {
      await Bun.sleep(random.between(time / 6, time / 3));
      figures.faults++;
      await stack.redis.cli('FLUSHALL');
    }
    await Bun.sleep(time / 4);
  },
};

const redisEmpty: Drill = {
  name: 'Redis stopped, back empty',
  terms: REDIS_LOST,
  async run({ stack, figures, while: time }) {
    await Bun.sleep(time / 4);
    figures.faults++;
    await stack.redis.kill();
    await Bun.sleep(time);
    stack.redis = await startRedis({ port: stack.redis.port });
    await Bun.sleep(time / 2);
  },
};

const redisOld: Drill = {
  name: 'Redis back from an old dump',
  terms: REDIS_OLDER,
  async run({ stack, figures, while: time }) {
    await Bun.sleep(time / 4);
    const { folder, port } = stack.redis;
    await stack.redis.cli('SAVE');
    await Bun.sleep(time);
    figures.faults++;
    await stack.redis.kill();
    stack.redis = await startRedis({ port, folder });
    await Bun.sleep(time / 2);
  },
};

const redisHangs: Drill = {
  name: 'Redis hangs',
  terms: NOTHING_LOST,
  async run({ stack, figures, while: time }) {
    figures.faults++;
    stack.redis.freeze();
    await Bun.sleep(Math.max(time, 3_000));
    stack.redis.thaw();
    await Bun.sleep(time / 2);
  },
};

const storeFreezes: Drill = {
  name: 'S3 hangs',
  terms: STORE_AWAY,
  async run({ stack, figures, while: time }) {
    figures.faults++;
    stack.store.freeze();
    await Bun.sleep(time * 1.5);
    stack.store.thaw();
    await Bun.sleep(time / 2);
  },
};

const storeDies: Drill = {
  name: 'S3 killed, back',
  terms: STORE_AWAY,
  async run({ stack, figures, while: time }) {
    figures.faults++;
    await stack.store.kill();
    await Bun.sleep(time);
    await stack.store.start();
    await Bun.sleep(time / 2);
  },
};

const storm: Drill = {
  name: 'responses lost and late',
  terms: STORE_AWAY,
  async run({ stack, figures, while: time }) {
    const before = stack.storeProxy.lost + stack.redisProxy.lost;
    stack.storeProxy.faults = STORM;
    stack.redisProxy.faults = REDIS_STORM;
    await Bun.sleep(time * 2);
    stack.storeProxy.faults = NO_FAULTS;
    stack.redisProxy.faults = NO_FAULTS;
    figures.faults += stack.storeProxy.lost + stack.redisProxy.lost - before;
  },
};

/** All faults of one Redis and one store, while responses are lost, and nodes and the worker die. */
const allAtOnce: Drill = {
  name: 'all at once',
  terms: { pullsGoOn: false, sessions: 'lost or older' },
  async run(scene) {
    const { stack, random, figures } = scene;
    const end = performance.now() + scene.while * 10;
    const repeat = async (name: string, work: (scene: Scene) => Promise<void>): Promise<void> => {
      const own = { ...scene, random: random.child(name) };
      while (performance.now() < end) {
        await Bun.sleep(own.random.between(scene.while / 4, scene.while * 2));
        await work(own);
      }
    };
    const redis = [flush, redisEmpty, redisOld, redisHangs];
    await Promise.all([
      repeat('Redis', async (own) => await (own.random.pick(redis) ?? flush).run({ ...own, while: scene.while / 3 })),
      repeat('nodes', (own) => killNodes.run(own)),
      repeat('the store', (own) =>
        (own.random.chance(0.5) ? storeDies : storeFreezes).run({ ...own, while: scene.while / 3 }),
      ),
      repeat('connection faults', (own) => storm.run(own)),
      repeat('the worker', async () => {
        figures.faults++;
        await stack.restartWorker();
      }),
    ]);
  },
};

/** The nodes restart with a Sentinel group; its master crashes, and the promoted replica lacks the last writes. */
const failOver: Drill = {
  name: 'failover without the last writes',
  terms: REDIS_OLDER,
  prepare: async ({ stack, group }) => await stack.moveTo((await group()).url),
  async run({ figures, group, while: time }) {
    const { master, replica, failOver: electReplica } = await group();
    await Bun.sleep(time / 2);
    replica.freeze();
    await Bun.sleep(Math.min(time, 900));
    figures.faults++;
    await master.kill();
    replica.thaw();
    await electReplica();
    await Bun.sleep(time);
  },
};

/** The drills in their order; the last one uses another Redis. */
export function drills(isLong: boolean): readonly Drill[] {
  const all = [calm, killNodes, flush, redisEmpty, redisOld, redisHangs, storeFreezes, storeDies, storm];
  return [...all, ...(isLong ? [allAtOnce] : []), failOver];
}
