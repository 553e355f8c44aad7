import { DATA, dataKey, EPOCHS, UPLOADS } from '../../../src/storage/paths.ts';
import { checkBytes, checkObservations, GrowingLog } from '../checks.ts';
import type { NetworkFaults } from '../network.ts';
import { perform, readBlob, readManifest } from '../operations.ts';
import { Random } from '../random.ts';
import { HOUR_MS, MINUTE_MS } from '../setting.ts';
import type { Simulated } from '../simulate.ts';
import { BLOBS, MANIFESTS, REPOSITORIES } from '../vocabulary.ts';
import { backup, checkBackups } from './backups.ts';
import { linkGarbage, operate, pushImage, remove } from './clients.ts';
import { collectAt } from './collectors.ts';
import { pin, unpin } from './pins.ts';
import { MAX_PAUSE, PLAN, type Plan, scheduleFault } from './plan.ts';
import { settingOf } from './settings.ts';
import type { Counts } from './truth.ts';
import { type CollectionBug, CollectionWorld } from './world.ts';

/** Every process that does not pause is finished by then. */
const ROUND_MS = 5 * MINUTE_MS;

export interface SimulatedCollection extends Omit<Simulated, 'slots' | 'tags'> {
  readonly counts: Counts & { readonly backedUp: number };
}

/** One run of a cluster with collections, determined by the seed alone. */
export async function simulateCollection(
  seed: number,
  bug: CollectionBug = {},
  keepsNotes = false,
): Promise<SimulatedCollection> {
  const random = new Random(seed);
  const setting = { ...settingOf(random), ...bug.setting };
  const networkFaults = networkFaultsOf(random);
  const world = new CollectionWorld({ random, bug, size: 2, workers: 2, networkFaults, keepsNotes, setting });
  const plan = { ...PLAN, ...bug.plan };
  let isDone = false;
  const life = live(world, plan, networkFaults.latency).catch((error: unknown) => {
    world.history.violated(error instanceof Error ? (error.stack ?? error.message) : String(error));
  });
  void life.then(() => {
    isDone = true;
  });
  const ended = await world.scheduler.run(() => isDone, Number.POSITIVE_INFINITY);
  if (!ended) world.history.violated('nothing is scheduled, and a client still waits');
  const { violations, notes } = world.history;
  const counts = { ...world.truth.counts, backedUp: world.backedUp };
  return { seed, violations, notes, steps: world.scheduler.step, counts };
}

function networkFaultsOf(random: Random): NetworkFaults {
  const isCalm = random.chance(0.6);
  const often = (most: number): number => (isCalm ? 0 : random.next() ** 2 * most);
  return {
    latency: random.pick([2, 10, 50]),
    ...{ lost: often(0.02), unanswered: often(0.03), slow: often(0.03), refused: often(0.02) },
  };
}

async function live(world: CollectionWorld, plan: Plan, latency: number): Promise<void> {
  const { random, scheduler, setting } = world;
  const { grace, uploadExpiry } = setting;
  await fill(world);
  let isDue = false;
  const [least, most] = plan.faults;
  for (let rounds = random.between(2, 3); rounds > 0; rounds--) {
    const nearly = grace * (0.9 + random.next() / 3);
    await scheduler.sleep(isDue && random.chance(0.8) ? nearly : pauseOf(random, grace, uploadExpiry));
    world.restart();
    // A process that is to be late for the garbage of one round pauses in the previous round.
    const wasDue: boolean = isDue;
    isDue = rounds > 1 && !wasDue && random.chance(plan.late);
    for (let faults = isDue ? 0 : random.between(least, most); faults > 0; faults--) scheduleFault(world, plan);
    if (setting.views === 'redis' && random.chance(0.5)) scheduleFault(world, { ...plan, kinds: { redis: 1 } });
    // About as long as a collection takes.
    const spread = 120 * latency;
    const clients = Array.from({ length: random.between(1, 3) }, () => client(world, spread));
    const usual = (): number => (random.chance(wasDue ? 0.9 : 0.6) ? 2 : 1);
    const count = isDue ? random.between(0, 1) : usual();
    const collectors = Array.from({ length: count }, (_, index) => collector(world, index, spread));
    if (random.chance(plan.pins)) world.lasting.push(scheduler.sleep(random.next() * spread).then(() => pin(world)));
    if (random.chance(plan.backups))
      world.lasting.push(scheduler.sleep(random.next() * spread).then(() => backup(world)));
    await Promise.race([Promise.all([...clients, ...collectors]), scheduler.sleep(ROUND_MS)]);
    if (isDue) await linkGarbage(world, plan);
  }
  await checkFinalState(world);
}

/** Chosen so that ages fall on both sides of every limit. */
function pauseOf(random: Random, grace: number, uploadExpiry: number): number {
  return (
    random.pick([0.2 * grace, 0.6 * grace, grace, 1.1 * grace, 1.5 * grace, uploadExpiry]) * (1 + random.next() / 8)
  );
}

/** Initial content: pushed, in use or not, deleted or not. */
async function fill(world: CollectionWorld): Promise<void> {
  const { random, scheduler, setting } = world;
  for (let left = random.between(1, 3); left > 0; left--) {
    await pushImage(world, random.pick(REPOSITORIES.slice(0, 2)), random.pick(world.manifests));
    if (random.chance(0.2)) await scheduler.sleep(random.next() * setting.grace);
  }
  for (let left = random.between(0, 2); left > 0; left--) await remove(world);
}

async function client(world: CollectionWorld, spread: number): Promise<void> {
  const { random, scheduler } = world;
  for (let left = random.between(1, 3); left > 0; left--) {
    await scheduler.sleep(random.next() * spread);
    await operate(world);
  }
}

async function collector(world: CollectionWorld, index: number, spread: number): Promise<void> {
  const { random, scheduler } = world;
  // The second one starts while the first one is working.
  await scheduler.sleep(((index + random.next()) * spread) / 2);
  // In the embedded shape, the serving node also collects.
  const isResident = random.chance(0.2);
  const node = (isResident ? undefined : world.workers[index]) ?? random.pick(world.nodes);
  await collectAt(world, node, { isResident, ...(random.chance(0.8) ? { request: String(world.nextNumber()) } : {}) });
}

/** Without further faults: everything acknowledged exists, before and after all garbage is freed, and it is freed. */
async function checkFinalState(world: CollectionWorld): Promise<void> {
  const { scheduler, setting, history, objects, truth } = world;
  const { grace, uploadExpiry, skew } = setting;
  world.calm();
  world.wakeAll();
  await Promise.all(world.lasting);
  // Late requests arrive, too.
  await scheduler.sleep(MAX_PAUSE * Math.max(grace, HOUR_MS) + ROUND_MS);
  // A client whose request was late may have begun an upload since, with long pauses.
  await Promise.all(world.lasting);
  for (const name of world.open) history.violated(`${name} is not answered`);
  await endPins(world);
  // The views in a process prove nothing about the store.
  for (const { machine } of [...world.nodes, ...world.workers]) world.kill(machine);
  world.restart();
  for (const wait of [Math.max(grace, 2 * uploadExpiry), grace]) {
    checkLive(world);
    await scheduler.sleep(1.1 * wait + skew);
    const [worker] = world.workers;
    if (worker === undefined) throw new Error('there is no worker');
    const { outcome } = await collectAt(world, worker, { request: 'the last one', isResident: false });
    if (outcome.kind !== 'ok') history.violated('no worker can collect');
  }
  checkLive(world);
  await checkBackups(world);
  const live = new Set<string>();
  for (const [repo, { state }] of truth.logs) {
    for (const { inc } of [...state.blobs.values(), ...state.manifests.values()]) live.add(dataKey(inc));
    for (const blob of BLOBS) if (state.blobs.has(blob.digest)) await perform(world, repo, readBlob(repo, blob));
    for (const each of MANIFESTS)
      if (state.manifests.has(each.digest)) await perform(world, repo, readManifest(repo, each));
  }
  for (const key of objects.below(DATA)) if (!live.has(key)) history.violated(`${key} was left`);
  for (const key of objects.below(UPLOADS)) history.violated(`${key} was left`);
  for (const key of objects.below(EPOCHS)) if (key.endsWith('/condemned')) history.violated(`${key} was left`);
  for (const repo of REPOSITORIES)
    checkObservations(history, repo, truth.logs.get(repo) ?? new GrowingLog(repo, history));
}

async function endPins(world: CollectionWorld): Promise<void> {
  const { outcome } = await world.request('unpin', unpin, world.workers[0]);
  if (outcome.kind !== 'ok') world.history.violated('the pins could not be ended');
  world.truth.unpinned();
}

/** I4 and I6 for everything that is linked. */
function checkLive(world: CollectionWorld): void {
  for (const [repo, log] of world.truth.logs) checkBytes(world, repo, log);
}
