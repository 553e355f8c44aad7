// Latency of one thread's reads while the other thread of the process is busy with one of the longest tasks that there are: a garbage
// collection, first reads of long logs, the worst legal manifests. The reading connections belong to a thread that has no such task.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { ControlClient } from '../../src/control/client.ts';
import { type Connection, connectionsTo } from '../connection.ts';
import { startMarina } from '../peers/marina.ts';
import { folderGround, plant, plantLoose } from '../planting.ts';
import { bytesOf, pushImage } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import type { Context, Row, Run, Work } from '../work.ts';
import { BusyClient } from './busy-client.ts';
import { SMALL_LAYERS } from './small.ts';
import { tagsOf } from './tags.ts';

const THREADS = 2;
const MAX_RATIO = 1.3;
const REPOSITORY = 'library/alpine';
const READING = '/v2/library/alpine/manifests/latest';
const READERS = 2;
/** Each reader starts a request at this interval. Readers that never rest would need a processor of their own. */
const EVERY_MS = 4;
/** Windows of reads for each round. */
const SECONDS = 3;
const TAGS = 100_000;
/** Each is read for the first time once in a round. */
const LONG_LOGS = 4;
const STORE = { repositories: 100, garbage: 20_000, live: 60_000 };
const LOOSE = 60_000;
/** How often each of the worst manifests is pushed in a round. */
const WORST_TIMES = 4;

/** @returns the 99th percentile of the latency of reads, in milliseconds, until `isOver` */
async function p99(readers: readonly Connection[], isOver: () => boolean): Promise<number> {
  const latencies: number[] = [];
  const read = async (connection: Connection): Promise<void> => {
    while (!isOver()) {
      const began = performance.now();
      const status = await connection.send('GET', READING);
      if (status !== 200) throw new Error(`GET ${READING}: ${status}`);
      const took = performance.now() - began;
      latencies.push(took);
      if (took < EVERY_MS) await Bun.sleep(EVERY_MS - took);
    }
  };
  await Promise.all(readers.map(read));
  latencies.sort((a, b) => a - b);
  const latency = latencies[Math.floor(latencies.length * 0.99)];
  if (latency === undefined) throw new Error('the task was over before the first read');
  return latency;
}

function after(milliseconds: number): () => boolean {
  const end = performance.now() + milliseconds;
  return () => performance.now() > end;
}

/** The latency of reads while the task runs. */
async function beside(readers: readonly Connection[], task: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  const running = task().finally(() => {
    isOver = true;
  });
  const latency = await p99(readers, () => isOver);
  await running;
  return latency;
}

async function run(context: Context): Promise<Row[]> {
  const { place, settings, say } = context;
  const folder = place.folder('threads-pauses');
  const data = join(folder, 'marina');
  const log = join(folder, 'marina.log');
  const ground = folderGround(data);
  say('threads-pauses: planting a store');
  writeFileSync(join(data, 'format'), JSON.stringify({ layout: 1, store: ulid() }));
  await plant(STORE, ground);
  const start = () => startMarina(place, data, log, { more: { THREADS: String(THREADS), GC_ENABLED: 'false' } });

  const planted = await start();
  await pushImage(planted.address, REPOSITORY, 'latest', SMALL_LAYERS);
  const long = Array.from({ length: LONG_LOGS }, (_, n) => `team/builds-${n}`);
  const tags = tagsOf(TAGS);
  for (const repository of long) {
    say(`threads-pauses: making ${TAGS} tags in ${repository}`);
    const manifest = await pushImage(planted.address, repository, 'first', [bytesOf(repository, 1024)]);
    await planted.plantTags(repository, tags, manifest);
  }
  await planted.child.stop();

  const tasks = ['a garbage collection', `first reads of logs of ${TAGS} tags`, 'worst legal manifests'] as const;
  const rounds = new Map<(typeof tasks)[number], { without: number; spinning: number; meanwhile: number }[]>();
  for (let round = -1; round < settings.rounds; round++) {
    // Each start empties the views.
    const { address, child } = await start();
    try {
      const server = await ControlClient.connect(data);
      if (server === undefined) throw new Error('the server does not listen on its socket');
      const readers = await connectionsTo(address, 1, READERS, READING);
      // Its own thread: the client's work for big bodies would delay the reads, too.
      const busy = await BusyClient.connect(address, 0, READING);
      const work: Record<(typeof tasks)[number], () => Promise<void>> = {
        [tasks[0]]: async () => {
          await server.collect(ulid());
          while ((await server.collectionProgress()) === undefined) await Bun.sleep(5);
          while ((await server.collectionProgress()) !== undefined) await Bun.sleep(50);
        },
        [tasks[1]]: () => busy.run({ kind: 'lists', repositories: long }),
        [tasks[2]]: () => busy.run({ kind: 'worst-manifests', times: WORST_TIMES, seed: round + 1 }),
      };
      plantLoose(ground, LOOSE);
      await place.call(['sync']);
      for (const task of tasks) {
        const without = await p99(readers, after(SECONDS * 1000));
        // What a busy processor costs by itself, whoever uses it: with two processors the client has to share one then.
        const spinning = await beside(readers, () => busy.run({ kind: 'spin', milliseconds: SECONDS * 1000 }));
        const meanwhile = await beside(readers, work[task]);
        if (round >= 0) rounds.set(task, [...(rounds.get(task) ?? []), { without, spinning, meanwhile }]);
      }
      for (const connection of readers) connection.close();
      busy.close();
    } finally {
      await child.stop();
    }
  }
  return tasks.map((task): Row => {
    const measured = rounds.get(task) ?? [];
    const without = measured.map((each) => each.without);
    const meanwhile = measured.map((each) => each.meanwhile);
    const [alone, spinning, beside] = [without, measured.map((each) => each.spinning), meanwhile].map((each) =>
      spread(each).median.toFixed(2),
    );
    context.note(
      `threads-pauses: ${task}: ${alone} ms without, ${spinning} ms beside a busy client, ${beside} ms beside it`,
    );
    return {
      ...{ work: 'threads-pauses', title: `p99 of a thread's GET manifest beside another's ${task}`, unit: 'x' },
      ...{ values: { marina: ratios(meanwhile, without).median }, most: MAX_RATIO },
      raw: { marina: meanwhile.map((rate): Run => ({ rate })) },
      details: measured,
    };
  });
}

export const pausesWork: Work = {
  name: 'threads-pauses',
  about: 'p99 of GET manifest on one thread while another is busy with its longest tasks',
  long: true,
  run,
};
