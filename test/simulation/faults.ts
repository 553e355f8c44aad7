// Faults of machines, in addition to those of single requests.
import type { Machine } from './machine.ts';
import type { Random } from './random.ts';
import { Keyspace } from './redis-keyspace.ts';
import type { World } from './world.ts';

/** The kinds of faults, and when they happen: some runs mix all kinds, others repeat the same ones. */
export interface Focus {
  readonly kinds: Partial<Record<FaultKind, number>>;
  readonly steps: Partial<Record<Step, number>>;
  /** The share of chunked uploads among the operations of clients. */
  readonly uploads: number;
  /** All clients use one repository. */
  readonly isCrowded: boolean;
}

const KINDS = {
  kill: 2,
  hang: 4,
  depose: 2,
  flush: 2,
  flushAndHang: 2,
  restartEmpty: 1,
  restartOld: 2,
  failOver: 4,
  loseStore: 1,
  lateSlot: 2,
} as const;
type FaultKind = keyof typeof KINDS | keyof typeof THREAD_KINDS;

/** The steps between which the protocols assume that nothing else has changed. */
const STEPS = {
  announce: 3,
  slot: 4,
  apply: 3,
  inspect: 4,
  'catalog-mark': 2,
  build: 2,
  own: 1,
  switch: 1,
  'upload-lease': 1,
  'upload-save': 2,
  'sending part': 2,
  part: 1,
  'upload-end': 1,
} as const;
type Step = keyof typeof STEPS | keyof typeof THREAD_STEPS;

/** Those of threads. */
const THREAD_STEPS = {
  'sending slot': 2,
  slot: 3,
  'read slot': 3,
  announced: 1,
  counted: 2,
  'list marker': 1,
} as const;
const THREAD_KINDS = { kill: 1, hang: 4, loseStore: 1, giveUp: 1 } as const;

/** Longer than the leases of uploads and of heals last. */
const LEASES_EXPIRED_MS = 10_500;
const PATIENCE_MS = 8_000;

export function focusOf(random: Random): Focus {
  if (random.chance(0.5)) return { kinds: KINDS, steps: STEPS, uploads: 0.12, isCrowded: false };
  const kinds = { [random.weighted(KINDS)]: 3, [random.weighted(KINDS)]: 2, hang: 1 };
  const steps = { [random.weighted(STEPS)]: 3, [random.weighted(STEPS)]: 1 };
  return { kinds, steps, uploads: random.chance(0.2) ? 0.6 : 0.1, isCrowded: random.chance(0.5) };
}

/** The faults of the threads of one process, which use no Redis. */
export function focusOfThreads(random: Random): Focus {
  const uploads = random.chance(0.2) ? 0.6 : 0.05;
  return { kinds: THREAD_KINDS, steps: THREAD_STEPS, uploads, isCrowded: random.chance(0.5) };
}

/** Injects one fault, and ends it. */
export async function injectFault(world: World, focus: Focus): Promise<void> {
  const { random, redis, scheduler } = world;
  switch (random.weighted(focus.kinds)) {
    case 'kill': {
      const machine = await victim(world, focus);
      world.kill(machine);
      await scheduler.sleep(random.between(10, 5_000));
      world.restart();
      return;
    }
    case 'hang': {
      const machine = await victim(world, focus);
      world.hang(
        machine,
        random.chance(0.5) ? random.between(LEASES_EXPIRED_MS, 2.5 * LEASES_EXPIRED_MS) : random.between(100, 4_000),
      );
      return;
    }
    case 'depose': {
      const machine = await victim(world, focus);
      world.hang(machine, 3 * LEASES_EXPIRED_MS);
      const step = random.weighted(focus.steps);
      // It resumes when another process reaches the step that it was about to take.
      const wake = (other: Machine): void => {
        if (other === machine) world.watch(step, 1, wake);
        else scheduler.after(random.between(0, 200), () => machine.wake());
      };
      world.watch(step, random.between(1, 2), wake);
      return;
    }
    case 'flush':
      await victim(world, focus);
      world.note(() => 'Redis loses everything');
      redis.flush();
      return;
    case 'flushAndHang': {
      const machine = await victim(world, focus);
      world.note(() => 'Redis loses everything');
      redis.flush();
      world.hang(machine, random.between(100, 2_000));
      return;
    }
    case 'restartEmpty':
      await victim(world, focus);
      return await restart(world, new Keyspace());
    case 'restartOld': {
      await victim(world, focus);
      return await restart(world, redis.old(random));
    }
    case 'failOver': {
      const machine = await victim(world, focus);
      world.note(() => 'Redis fails over');
      redis.failOver(redis.old(random));
      // Often a node on the same machine fails with it.
      const other = random.pick(world.nodes).machine;
      if (!random.chance(0.4) || other === machine) return;
      world.kill(other);
      world.restart();
      return;
    }
    case 'loseStore': {
      const milliseconds = random.between(200, 15_000);
      world.note(() => `the store is down for ${milliseconds} ms`);
      world.network.loseStore(milliseconds);
      return;
    }
    case 'giveUp':
      await victim(world, focus);
      world.note(() => 'the store is down until writers give up');
      world.network.loseStore(random.between(10_500, 13_000));
      return;
    case 'lateSlot':
      return await delaySlot(world);
  }
}

/** A node at a random time, or one that has just reached a random step. */
async function victim(world: World, focus: Focus): Promise<Machine> {
  const { random, scheduler } = world;
  if (random.chance(0.25)) {
    await scheduler.sleep(random.between(0, 3_000));
    return random.pick(world.nodes).machine;
  }
  const step = random.weighted(focus.steps);
  return await new Promise((resolve) => {
    world.watch(step, random.between(1, 4), resolve);
    scheduler.after(PATIENCE_MS, () => resolve(random.pick(world.nodes).machine));
  });
}

/** A slot arrives after its writer has timed out. */
async function delaySlot(world: World): Promise<void> {
  const { random, scheduler, network } = world;
  const late = random.between(1_000, 30_000);
  world.watch('sending slot', random.between(1, 4), (machine) => {
    world.note(() => `a slot of ${machine.name} arrives ${late} ms late`);
    network.delayNext(late);
    scheduler.after(0, () => (random.chance(0.7) ? world.kill(machine) : world.hang(machine, late + 5_000)));
  });
  await scheduler.sleep(PATIENCE_MS);
  world.restart();
}

async function restart(world: World, keyspace: Keyspace): Promise<void> {
  const { redis, scheduler, random } = world;
  world.note(() => 'Redis stops');
  redis.stop();
  await scheduler.sleep(random.between(10, 4_000));
  world.note(() => `Redis begins with ${keyspace.keys().length} keys`);
  redis.start(keyspace.copy());
}
