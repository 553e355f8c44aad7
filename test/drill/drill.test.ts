// Real processes under load and faults (three nodes behind the sample balancer, a worker, Redis, MinIO), with a history of the
// responses that clients got. `npm run drill` is the long form, with all faults at once and a crowd of nodes.
// DRILL_SEED=<text> repeats a run's choices; DRILL_ONLY=<words> runs the drills with these words in their names;
// DRILL_HISTORY=<file> keeps each request, and the nodes' logs in <file>.log.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { stopClusters } from '../support/cluster.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { History } from '../support/drill/history.ts';
import { Random } from '../support/drill/random.ts';
import { openJudge, type Recorded, type Verdict } from '../support/linearizability.ts';
import { type RedisGroup, startRedisGroup } from '../support/redis.ts';
import { Client } from './client.ts';
import { type Drill, drills } from './faults.ts';
import { Figures, shown, table } from './figures.ts';
import { work } from './load.ts';
import { pushManyParts } from './many-parts.ts';
import { recover } from './recovery.ts';
import { Stack } from './stack.ts';
import { crowd } from './starving.ts';
import { checkTruth } from './truth.ts';
import { verify } from './verify.ts';
import { World } from './world.ts';

const isLong = process.env.DRILL_FORM === 'long';
const only = process.env.DRILL_ONLY ?? '';
const WHILE_MS = isLong ? 7_000 : 1_200;
const CLIENTS = isLong ? 10 : 6;
const WITHIN_MS = isLong ? 1_200_000 : 600_000;
/** The slowest push of eight nodes on one repository, as a multiple of the median. */
const STARVES = 10;

const seed = process.env.DRILL_SEED ?? String(Date.now());
console.log(`fault drill: DRILL_SEED=${seed} repeats its choices`);

let judge: (history: readonly Recorded[]) => Promise<Verdict>;
beforeAll(async () => {
  await tools('minio', 'redis-server', 'redis-sentinel', 'haproxy');
  judge = await openJudge();
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

test(
  'whatever happens to Redis, the store and the nodes: nothing acknowledged is lost, read stale, torn or wrong',
  async () => {
    const random = new Random(seed);
    const stack = await Stack.start(3, random);
    const all: Figures[] = [];
    try {
      const world = new World(new History(), new Figures('start'));
      const group = startRedisGroup();
      for (const drill of drills(isLong).filter(({ name }) => name.includes(only))) {
        all.push(await run(drill, { stack, world, random: random.child(drill.name), group }));
      }
      world.figures = new Figures('the end');
      all.push(world.figures);
      const client = new Client(world, stack, random.child('the last look'));
      await verify(client, true);
      const { repositories, slots, objects } = await checkTruth(stack, client);
      console.log(`${repositories} repositories, ${slots} slots, ${objects} linked objects`);
      const { illegal, undecided, operations } = await judge(world.told.recorded);
      console.log(`${operations} operations on tags were judged; undecided: ${undecided.join(', ') || 'none'}`);
      expect(shown(all)).toEqual([]);
      expect(illegal).toEqual([]);
      expect(stack.complaints()).toEqual([]);
      const acknowledged = all.reduce((sum, each) => sum + each.acknowledged, 0);
      expect(acknowledged).toBeGreaterThan(only === '' ? 1_000 : 0);
      expect(slots).toBeGreaterThan(only === '' ? 100 : 0);
    } catch (error) {
      // Also shown if the rest cannot be stopped cleanly, whose error would replace this one.
      console.log(String(error));
      throw error;
    } finally {
      console.log(table(all));
      if (shown(all).length > 0) console.log(`the balancer's log:\n${stack.balancerLog()}`);
      if (process.env.DRILL_HISTORY !== undefined) writeFileSync(`${process.env.DRILL_HISTORY}.log`, stack.logs());
      await stack.stop();
    }
  },
  WITHIN_MS,
);

if (isLong) {
  test(
    'eight nodes that push to one repository: none starves',
    async () => {
      const { median, slowest, slowestOf } = await crowd(new Random(seed).child('crowd'));
      const each = slowestOf.map(Math.round).join(', ');
      console.log(`8 nodes on one repository: median ${Math.round(median)} ms, the slowest push of each ${each} ms`);
      expect(slowest / median).toBeLessThan(STARVES);
    },
    WITHIN_MS,
  );

  test(
    'a blob of more than a thousand parts is served as it was uploaded',
    async () => {
      const { sent, served } = await pushManyParts();
      expect(served).toBe(sent);
    },
    WITHIN_MS,
  );
}

interface Run {
  readonly stack: Stack;
  readonly world: World;
  readonly random: Random;
  readonly group: Promise<RedisGroup>;
}

/** Clients work during the faults. After these have ended, what the nodes show is compared with the history. */
async function run(drill: Drill, { stack, world, random, group }: Run): Promise<Figures> {
  const figures = new Figures(drill.name);
  const scene = { stack, figures, random, while: WHILE_MS, group: () => group };
  await drill.prepare?.(scene);
  world.figures = figures;
  world.drill = drill.terms;
  const stop = new AbortController();
  const clients = Array.from({ length: CLIENTS }, (_, number) =>
    work(new Client(world, stack, random.child(`client ${number}`)), stop.signal),
  );
  const working = Promise.all(clients);
  try {
    // A client that throws ends the run.
    await Promise.race([drill.run(scene), working]);
  } finally {
    stop.abort();
  }
  await working;
  await recover(stack, figures);
  await verify(new Client(world, stack, random.child('the look')), false);
  return figures;
}
