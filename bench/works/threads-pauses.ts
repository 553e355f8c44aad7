// Latency of one thread's reads while the other thread of the process is busy with one of the longest tasks that there are: a garbage
// collection, first reads of long logs, the worst legal manifests. The reading connections belong to a thread that has no such task.
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { ControlClient } from '../../src/control/client.ts';
import { vary, worstManifests } from '../../test/hostile/worst.ts';
import { startMarina } from '../peers/marina.ts';
import { folderGround, plant, plantLoose } from '../planting.ts';
import { bytesOf, MANIFEST_TYPE, pushImage } from '../registry.ts';
import { ratios, spread } from '../stats.ts';
import type { Context, Row, Run, Work } from '../work.ts';
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
const MAX_TRIES = 200;
const PROBES = 20;
const WORST_TYPE = 'application/vnd.oci.image.index.v1+json';

/** One connection, kept open, which therefore always reaches the same thread. */
class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  /** @returns the status, after the whole body has arrived */
  async send(method: string, path: string, body?: Uint8Array, type = MANIFEST_TYPE): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const headers = body === undefined ? { accept: MANIFEST_TYPE } : { 'content-type': type };
    const sent = request(`http://${this.#address}${path}`, { method, agent: this.#agent, headers }, (response) => {
      response.on('error', reject);
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.resume();
    });
    sent.on('error', reject);
    sent.end(body);
    return await promise;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Requests that each thread has served. */
async function requestsOf(address: string): Promise<readonly number[]> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const counts = text.matchAll(/^marina_thread_requests_total\{thread="(\d+)"\} (\d+)/gm);
  const requests: number[] = [];
  for (const [, thread, count] of counts) requests[Number(thread)] = Number(count);
  return requests;
}

/** The thread that serves a connection. Nothing else may send requests meanwhile. */
async function threadOf(address: string, connection: Connection): Promise<number> {
  const before = await requestsOf(address);
  for (let probe = 0; probe < PROBES; probe++) await connection.send('GET', READING);
  const after = await requestsOf(address);
  return after.findIndex((count, thread) => count - (before[thread] ?? 0) >= PROBES);
}

/** Connections that the thread serves. */
async function connectionsTo(address: string, thread: number, count: number): Promise<Connection[]> {
  const found: Connection[] = [];
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const connection = new Connection(address);
    if ((await threadOf(address, connection)) === thread) found.push(connection);
    else connection.close();
    if (found.length === count) return found;
  }
  throw new Error(`thread ${thread} got fewer than ${count} of ${MAX_TRIES} connections`);
}

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
  const rounds = new Map<(typeof tasks)[number], { without: number; meanwhile: number }[]>();
  for (let round = -1; round < settings.rounds; round++) {
    // Each start empties the views.
    const { address, child } = await start();
    try {
      const server = await ControlClient.connect(data);
      if (server === undefined) throw new Error('the server does not listen on its socket');
      const readers = await connectionsTo(address, 1, READERS);
      const [busy] = await connectionsTo(address, 0, 1);
      if (busy === undefined) throw new Error('there is a connection');
      const work: Record<(typeof tasks)[number], () => Promise<void>> = {
        [tasks[0]]: async () => {
          await server.collect(ulid());
          while ((await server.collectionProgress()) === undefined) await Bun.sleep(5);
          while ((await server.collectionProgress()) !== undefined) await Bun.sleep(50);
        },
        [tasks[1]]: async () => {
          for (const repository of long) {
            const status = await busy.send('GET', `/v2/${repository}/tags/list?n=10`);
            if (status !== 200) throw new Error(`tags/list of ${repository}: ${status}`);
          }
        },
        [tasks[2]]: async () => {
          const bodies = worstManifests();
          for (const [n, [name, body]] of bodies.entries()) {
            vary(body, (round + 1) * bodies.length + n);
            const status = await busy.send('PUT', '/v2/team/worst/manifests/worst', body, WORST_TYPE);
            if (status !== 201) throw new Error(`${name}: ${status}`);
          }
        },
      };
      plantLoose(ground, LOOSE);
      await place.call(['sync']);
      for (const task of tasks) {
        const without = await p99(readers, after(SECONDS * 1000));
        const meanwhile = await beside(readers, work[task]);
        if (round >= 0) rounds.set(task, [...(rounds.get(task) ?? []), { without, meanwhile }]);
      }
      for (const connection of [...readers, busy]) connection.close();
    } finally {
      await child.stop();
    }
  }
  return tasks.map((task): Row => {
    const measured = rounds.get(task) ?? [];
    const without = measured.map((each) => each.without);
    const meanwhile = measured.map((each) => each.meanwhile);
    const [one, other] = [without, meanwhile].map((each) => spread(each).median.toFixed(2));
    context.note(`threads-pauses: ${task}: ${one} ms without and ${other} ms beside it`);
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
