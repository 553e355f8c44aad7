// Latency of one thread's reads while the other thread of the process is busy with one of the longest tasks that there are: a garbage
// collection, first reads of long logs, the worst legal manifests. The reading connections belong to a thread that has no such task.
// The limit is the latency while another process has the task, which shares nothing with the readers but the processors.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { ControlClient } from '../../src/control/client.ts';
import { type Connection, connectionsTo } from '../connection.ts';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
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
  const [data, otherData] = [join(folder, 'marina'), join(folder, 'other')];
  const ground = folderGround(data);
  say('threads-pauses: planting a store');
  writeFileSync(join(data, 'format'), JSON.stringify({ layout: 1, store: ulid() }));
  await plant(STORE, ground);
  const start = (data: string, name: string) =>
    startMarina(place, data, join(folder, `${name}.log`), { more: { THREADS: String(THREADS), GC_ENABLED: 'false' } });

  const planted = await start(data, 'marina');
  await pushImage(planted.address, REPOSITORY, 'latest', SMALL_LAYERS);
  const long = Array.from({ length: LONG_LOGS }, (_, n) => `team/builds-${n}`);
  const tags = tagsOf(TAGS);
  for (const repository of long) {
    say(`threads-pauses: making ${TAGS} tags in ${repository}`);
    const manifest = await pushImage(planted.address, repository, 'first', [bytesOf(repository, 1024)]);
    await planted.plantTags(repository, tags, manifest);
  }
  await planted.child.stop();
  await place.call(['cp', '-a', data, otherData]);

  const tasks = ['a garbage collection', `first reads of logs of ${TAGS} tags`, 'worst legal manifests'] as const;
  type Task = (typeof tasks)[number];
  const workOf = ({ server, busy }: Peer, round: number): Record<Task, () => Promise<void>> => ({
    [tasks[0]]: async () => {
      await server.collect(ulid());
      while ((await server.collectionProgress()) === undefined) await Bun.sleep(5);
      while ((await server.collectionProgress()) !== undefined) await Bun.sleep(50);
    },
    [tasks[1]]: () => busy.run({ kind: 'lists', repositories: long }),
    [tasks[2]]: () => busy.run({ kind: 'worst-manifests', times: WORST_TIMES, seed: round + 1 }),
  });
  const rounds = new Map<Task, Latencies[]>();
  for (let round = -1; round < settings.rounds; round++) {
    // Each start empties the views.
    await using same = await open(await start(data, 'marina'), data);
    await using other = await open(await start(otherData, 'other'), otherData);
    for (const { ground } of [same, other]) plantLoose(ground, LOOSE);
    await place.call(['sync']);
    const readers = await connectionsTo(same.address, 1, READERS, READING);
    const [work, otherWork] = [workOf(same, round), workOf(other, round)];
    for (const task of tasks) {
      const without = await p99(readers, after(SECONDS * 1000));
      const apart = await beside(readers, otherWork[task]);
      const meanwhile = await beside(readers, work[task]);
      if (round >= 0) rounds.set(task, [...(rounds.get(task) ?? []), { without, apart, meanwhile }]);
    }
    for (const connection of readers) connection.close();
  }
  return tasks.flatMap((task): Row[] => {
    const measured = rounds.get(task) ?? [];
    const of = (which: keyof Latencies) => measured.map((each) => each[which]);
    const [alone, apart, beside] = [of('without'), of('apart'), of('meanwhile')].map((each) =>
      spread(each).median.toFixed(2),
    );
    context.note(
      `threads-pauses: ${task}: ${alone} ms without, ${apart} ms beside it in another process, ${beside} ms in another thread`,
    );
    const title = `p99 of a thread's GET manifest beside another's ${task}`;
    const raw = { marina: of('meanwhile').map((rate): Run => ({ rate })) };
    const row = { work: 'threads-pauses', unit: 'x', most: MAX_RATIO, raw, details: measured };
    return [
      { ...row, title, values: { marina: ratios(of('meanwhile'), of('without')).median } },
      {
        ...row,
        title: `${title}, over another process's`,
        values: { marina: ratios(of('meanwhile'), of('apart')).median },
      },
    ];
  });
}

interface Latencies {
  readonly without: number;
  /** While another process has the task. */
  readonly apart: number;
  /** While another thread has it. */
  readonly meanwhile: number;
}

/** A server that can be given the tasks. */
interface Peer extends AsyncDisposable {
  readonly address: string;
  readonly ground: ReturnType<typeof folderGround>;
  readonly server: ControlClient;
  readonly busy: BusyClient;
}

/** @param data the server's data folder */
async function open({ address, child }: Registry, data: string): Promise<Peer> {
  const server = await ControlClient.connect(data);
  if (server === undefined) throw new Error('the server does not listen on its socket');
  // Its own thread: the client's work for big bodies would delay the reads, too.
  const busy = await BusyClient.connect(address, 0, READING);
  const close = async () => {
    busy.close();
    await child.stop();
  };
  return { address, ground: folderGround(data), server, busy, [Symbol.asyncDispose]: close };
}

export const pausesWork: Work = {
  name: 'threads-pauses',
  about: 'p99 of GET manifest on one thread while another is busy with its longest tasks',
  long: true,
  run,
};
