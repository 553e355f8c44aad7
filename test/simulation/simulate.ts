import type { RepositoryName } from '../../src/oci/names.ts';
import type { Recorded } from '../support/linearizability.ts';
import { type Bug, NO_BUG } from './bugs.ts';
import { checkBytes, checkLog, checkObservations } from './checks.ts';
import { type Focus, focusOf, injectFault } from './faults.ts';
import type { NetworkFaults } from './network.ts';
import { listRepositories, listTags, perform, performAny } from './operations.ts';
import { checkFinalReads, checkWritable } from './quiet.ts';
import { Random } from './random.ts';
import { uploadInPieces } from './uploads.ts';
import { REPOSITORIES } from './vocabulary.ts';
import { World, type WorldOptions } from './world.ts';

const SECOND_MS = 1_000;
const READERS = 3;
/** No client waits for longer, whatever fails: the sum of all deadlines of a large upload. */
const SETTLES_WITHIN_MS = 600 * SECOND_MS;
/** After this time every stale view has been verified: all intents are overdue, and all leases have expired. */
const QUIET_AFTER_MS = 130 * SECOND_MS;

export interface Simulated {
  readonly seed: number;
  /** Empty if all guarantees hold. */
  readonly violations: readonly string[];
  /** What happened, if notes were requested. */
  readonly notes: readonly string[];
  readonly steps: number;
  readonly slots: number;
  readonly tags: readonly Recorded[];
}

/** What is simulated. */
export interface Form extends Pick<WorldOptions, 'setting' | 'openProcess' | 'feed'> {
  readonly focusOf: (random: Random) => Focus;
  /** The least and the greatest number of clients. */
  readonly clients: readonly [number, number];
  /** How many reads follow each other quickly, beside the clients. */
  readonly reads: number;
  /** Whether an answer must not be older than any earlier answer, in addition to acknowledged writes. */
  readonly isMonotonic: boolean;
  /** Others that work beside the clients. */
  readonly beside?: (world: World) => readonly Promise<unknown>[];
  /** More to check after all faults have ended, before anything else is written. */
  readonly atCalm?: (world: World, repositories: readonly RepositoryName[]) => Promise<void>;
  /** More to check at the end. */
  readonly atEnd?: (world: World, repositories: readonly RepositoryName[]) => Promise<void>;
}

const CLUSTER_FORM: Form = { focusOf, clients: [2, 4], reads: 0, isMonotonic: false };

/**
 * One run of a cluster, from its start until all faults have ended, determined by the seed alone: a second run with the same seed is
 * identical, step by step.
 */
export async function simulate(
  seed: number,
  bug: Bug = NO_BUG,
  keepsNotes = false,
  form: Form = CLUSTER_FORM,
): Promise<Simulated> {
  const random = new Random(seed);
  const world = new World({
    ...form,
    random,
    bug,
    size: random.between(2, 4),
    networkFaults: networkFaultsOf(random),
    keepsNotes,
  });
  const ran = { slots: 0 };
  let isDone = false;
  const chosen = form.focusOf(random);
  const focus = bug.focus ?? chosen;
  const repositories = REPOSITORIES.slice(0, focus.isCrowded ? 1 : random.between(1, REPOSITORIES.length));
  const life = live(world, repositories, focus, form).then(
    (slots) => {
      ran.slots = slots;
      isDone = true;
    },
    (error: unknown) => {
      world.history.violated(error instanceof Error ? (error.stack ?? error.message) : String(error));
      isDone = true;
    },
  );
  const ended = await world.scheduler.run(() => isDone, Number.POSITIVE_INFINITY);
  if (!ended) world.history.violated('nothing is scheduled, and a client still waits');
  else await life;
  const { violations, notes, tags } = world.history;
  return { seed, violations, notes, steps: world.scheduler.step, slots: ran.slots, tags };
}

async function live(
  world: World,
  repositories: readonly RepositoryName[],
  focus: Focus,
  { clients: [least, most], reads, isMonotonic, beside, atCalm, atEnd }: Form,
): Promise<number> {
  const { random, scheduler } = world;
  const clients = Array.from({ length: random.between(least, most) }, () =>
    client(world, repositories, random.between(3, 8), focus.uploads),
  );
  const readers = Array.from({ length: reads > 0 ? READERS : 0 }, () => reader(world, repositories, reads / READERS));
  const others = beside?.(world) ?? [];
  const faults = Array.from({ length: random.between(0, 5) }, async () => {
    await scheduler.sleep(random.between(0, 4 * SECOND_MS));
    await injectFault(world, focus);
  });
  await Promise.all(faults);
  await within(world, SETTLES_WITHIN_MS, Promise.all([...clients, ...readers, ...others]));
  world.calm();
  await scheduler.sleep(QUIET_AFTER_MS);
  if (world.open.size > 0) await scheduler.sleep(SETTLES_WITHIN_MS);
  for (const name of world.open) world.history.violated(`${name} is not answered`);
  await atCalm?.(world, repositories);
  // A slot that was not acknowledged and that Redis lost, or no thread counted, may stay unnoticed until the next write finds it.
  const isComplete = world.redis.losses.length === 0 && world.process === undefined;
  if (isComplete) await checkFinalReads(world, repositories);
  await checkWritable(world, repositories);
  if (!isComplete) await checkFinalReads(world, repositories);
  await atEnd?.(world, repositories);
  let slots = 0;
  for (const repo of repositories) {
    const log = checkLog(world, repo);
    checkBytes(world, repo, log);
    checkObservations(world.history, repo, log, isMonotonic);
    slots += log.state.seq;
  }
  return slots;
}

async function client(
  world: World,
  repositories: readonly RepositoryName[],
  operations: number,
  uploads: number,
): Promise<void> {
  const { random, scheduler } = world;
  for (let left = operations; left > 0; left--) {
    await scheduler.sleep(random.chance(0.1) ? 3 * SECOND_MS : random.between(0, 200));
    if (random.chance(uploads)) await uploadInPieces(world, random.pick(repositories));
    else await performAny(world, repositories);
  }
}

async function reader(world: World, repositories: readonly RepositoryName[], reads: number): Promise<void> {
  const { random, scheduler } = world;
  for (let left = reads; left > 0; left--) {
    await scheduler.sleep(random.chance(0.05) ? 3 * SECOND_MS : random.between(0, 40));
    const repo = random.pick(repositories);
    if (random.chance(0.1)) await listRepositories(world);
    else await perform(world, repo, listTags(repo));
  }
}

/** Continues after that time at the latest, and reports a violation then. */
async function within(world: World, milliseconds: number, work: Promise<unknown>): Promise<void> {
  let isOver = false;
  const waited = world.scheduler.sleep(milliseconds).then(() => {
    if (!isOver) world.history.violated(`clients still wait: ${[...world.open].join('; ')}`);
  });
  await Promise.race([
    work.then(() => {
      isOver = true;
    }),
    waited,
  ]);
}

function networkFaultsOf(random: Random): NetworkFaults {
  const isCalm = random.chance(0.25);
  const often = (most: number): number => (isCalm ? 0 : random.next() ** 2 * most);
  return {
    latency: random.pick([2, 10, 50]),
    lost: often(0.08),
    unanswered: often(0.08),
    slow: often(0.08),
    refused: often(0.1),
  };
}
