// Faults during collections: processes pause for long at critical steps, die, or send requests that arrive late.
import { injectFault } from '../faults.ts';
import type { Machine } from '../machine.ts';
import { HOUR_MS } from '../setting.ts';
import type { CollectionWorld } from './world.ts';

type Weights = Readonly<Record<string, number>>;

/** How processes of a kind pause. */
interface Stops {
  readonly at: Weights;
  /** The step of a collector at which they resume; `never`: they resume after the time in `within`. */
  readonly until: Weights;
  readonly within: Partial<Record<Duration, number>>;
  /** The probability that they pause once more, and how. */
  readonly again: number;
  readonly next?: Stops;
}

type Duration = 'seconds' | 'hour' | 'grace' | 'longest';

export interface Plan {
  /** The number of faults in a round. */
  readonly faults: readonly [min: number, max: number];
  readonly kinds: Weights;
  readonly linkers: Stops;
  readonly collectors: Stops;
  /** The number of objects per round that are linked while all others delete them. */
  readonly late: number;
  /** The probability that an operator pins something in a round. */
  readonly pins: number;
  /** The probability that an operator makes a backup in a round. */
  readonly backups: number;
}

/** In graces, or in hours if those are longer. */
export const MAX_PAUSE = 2.6;

const UNTIL: Weights = {
  'list data': 4,
  'sending create condemned': 2,
  'create condemned': 2,
  slot: 2,
  'create final': 2,
  'delete data': 2,
  'delete condemned': 3,
  never: 2,
};

/** A command that has waited for ten seconds is not decided again. */
const LINKING: Stops = {
  at: {
    'list epochs': 2,
    'sending list epochs': 2,
    'read condemned': 1,
    'head data': 2,
    'sending slot': 5,
    slot: 1,
    'create marker': 1,
    'sending create marker': 0.5,
  },
  until: UNTIL,
  within: { seconds: 5, hour: 1, grace: 1 },
  again: 0.3,
};

export const PLAN: Plan = {
  faults: [0, 3],
  kinds: { linkerStops: 3, collectorStops: 4, collectorDies: 1.5, nodeDies: 0.5, arrivesLate: 1.5 },
  linkers: {
    at: { 'read hint': 1, 'head data': 4, 'list epochs': 1, 'sending slot': 2, 'write data': 1, commit: 1 },
    until: UNTIL,
    within: { hour: 3, grace: 2, longest: 3 },
    again: 0.7,
    next: LINKING,
  },
  collectors: {
    at: {
      'list epochs': 1,
      'read condemned': 2,
      'read final': 2,
      'list marker': 1.5,
      'read slot': 1,
      'list data': 2,
      'sending create condemned': 2,
      'create condemned': 1,
      'sending slot': 2,
      slot: 2,
      'sending create final': 3,
      'create final': 2,
      'sending delete data': 2,
      'delete data': 1,
      'sending delete condemned': 2,
      'delete condemned': 1,
    },
    until: { 'create final': 1, 'delete data': 1, 'delete condemned': 2, never: 2 },
    within: { seconds: 3, hour: 3, grace: 1, longest: 1 },
    again: 0.4,
  },
  late: 0.5,
  pins: 0.3,
  backups: 0.2,
};

/** Schedules one fault: it happens when a process reaches a certain step, which may be much later, or never. */
export function scheduleFault(world: CollectionWorld, plan: Plan): void {
  const { random } = world;
  const kill = (machine: Machine) => world.kill(machine);
  switch (random.weighted(plan.kinds)) {
    case 'linkerStops':
      stop(world, plan.linkers, (machine) => !world.isWorker(machine));
      return;
    case 'collectorStops':
      stop(world, plan.collectors, (machine) => world.isWorker(machine));
      return;
    case 'collectorDies':
      world.reached(random.weighted(plan.collectors.at), (machine) => world.isWorker(machine), kill);
      return;
    case 'nodeDies':
      world.reached(random.weighted(plan.linkers.at), (machine) => !world.isWorker(machine), kill);
      return;
    case 'arrivesLate':
      delay(world, plan);
      return;
    case 'redis':
      void injectFault(world, REDIS_FAULTS);
      return;
  }
}

const REDIS_FAULTS = {
  kinds: { flush: 3, failOver: 3, restartEmpty: 1, restartOld: 1 },
  steps: { announce: 1, slot: 3, apply: 2, inspect: 1, build: 1 },
  uploads: 0,
  isCrowded: false,
} as const;

/** A process pauses, until a collector has reached a certain step, or for a very long time. */
export function stop(world: CollectionWorld, stops: Stops, isWanted: (machine: Machine) => boolean): void {
  const { random, scheduler } = world;
  const [at, until] = [random.weighted(stops.at), random.weighted(stops.until)];
  const most = millisecondsOf(random.weighted(stops.within), world);
  world.reached(at, isWanted, (machine) => {
    world.note(() => `${machine.name} stops at ${at} until ${until}`);
    world.hang(machine, most);
    if (random.chance(stops.again)) stop(world, stops.next ?? stops, (each) => each === machine);
    if (until === 'never') return;
    const isOther = (other: Machine) => other !== machine && world.isWorker(other);
    world.reached(until, isOther, () => scheduler.after(random.between(0, 20), () => machine.wake()));
  });
}

function millisecondsOf(duration: Duration, { random, setting }: CollectionWorld): number {
  switch (duration) {
    case 'seconds':
      return random.between(500, 9_500);
    case 'hour':
      return HOUR_MS;
    case 'grace':
      return 1.3 * setting.grace;
    case 'longest':
      return MAX_PAUSE * setting.grace;
  }
}

const SENT = ['slot', 'create condemned', 'create final', 'delete data', 'delete condemned', 'write data'] as const;
const LATE: Readonly<Record<Duration, number>> = { seconds: 1, hour: 2, grace: 1, longest: 1 };

/** A request arrives very late, after its sender crashed or paused. */
function delay(world: CollectionWorld, { collectors }: Plan): void {
  const { random, network, scheduler } = world;
  const step = `sending ${random.pick(SENT)}`;
  const late = millisecondsOf(random.weighted(LATE), world);
  const isAny = () => true;
  world.reached(step, isAny, (machine) => {
    world.note(() => `${step} of ${machine.name} takes ${late} ms`);
    network.delayNext(late);
    scheduler.after(0, () => (random.chance(0.5) ? world.kill(machine) : world.hang(machine, late + 1_000)));
  });
  if (random.chance(0.5)) stop(world, collectors, (machine) => world.isWorker(machine));
}
