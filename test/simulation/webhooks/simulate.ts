import { Random } from '../random.ts';
import { type Bug, REPOSITORIES, World } from './world.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
/** Longer than a lease lasts, and than the longest wait of a receiver that failed before. */
const QUIET_MS = 15 * MINUTE_MS;

export interface Simulated {
  readonly violations: readonly string[];
  readonly changes: number;
  readonly arrivals: number;
}

/** One run of processes that deliver webhooks while they die, hang and lose answers; determined by the seed alone. */
export async function simulate(seed: number, bug: Bug = {}): Promise<Simulated> {
  const random = new Random(seed);
  const world = new World(random, bug);
  const { scheduler } = world;
  let isDone = false;
  const live = async (): Promise<void> => {
    const clients = Array.from({ length: random.between(10, 60) }, async () => {
      await scheduler.sleep(random.between(0, 3 * MINUTE_MS));
      world.append();
    });
    for (let count = random.between(1, 3); count > 0; count--) world.startProcess();
    const faults = Array.from({ length: random.between(0, 8) }, async () => {
      await scheduler.sleep(random.between(0, 4 * MINUTE_MS));
      world.disturb();
    });
    await Promise.all([...clients, ...faults]);
    world.calm();
    await scheduler.sleep(QUIET_MS);
    // The next delivery says how many changes were skipped.
    for (const repository of REPOSITORIES) world.append(repository);
    await scheduler.sleep(MINUTE_MS);
    isDone = true;
  };
  const life = live().catch((error: unknown) => {
    world.violations.push(String(error));
    isDone = true;
  });
  await scheduler.run(() => isDone, Number.POSITIVE_INFINITY);
  await life;
  check(world);
  const arrivals = [...world.arrivals.values()].reduce((sum, each) => sum + each.length, 0);
  return { violations: world.violations, changes: world.changes.length, arrivals };
}

/** The promises of docs/webhooks.md. */
function check(world: World): void {
  for (const webhook of world.webhooks) {
    const arrivals = world.arrivals.get(webhook.name) ?? [];
    const wanted = world.changes.filter(({ repository }) => webhook.repositories.matches(repository));
    const arrived = new Set(arrivals.map(({ change }) => change));
    const missing = wanted.filter(({ id }) => !arrived.has(id)).length;
    const reported = world.reported.get(webhook.name) ?? 0;
    const isShort = webhook.maxAge < 10 * MINUTE_MS;
    if (!isShort && missing > 0) world.violations.push(`${webhook.name} never got ${missing} changes`);
    if (!isShort) checkOrder(world, webhook.name);
    if (isShort && missing > reported)
      world.violations.push(`${webhook.name} missed ${missing} changes, and ${reported} were reported`);
    const terms = arrivals.map(({ term }) => term);
    if (terms.some((term, place) => place > 0 && term < (terms[place - 1] ?? 0)))
      world.violations.push(`${webhook.name}: a process delivered after another had taken over`);
  }
}

/** When a change of a repository arrives for the first time, all before it have arrived. */
function checkOrder(world: World, name: string): void {
  const highest = new Map<string, number>();
  for (const { change, repository } of world.arrivals.get(name) ?? []) {
    const seq = Number(/@(\d+)\./.exec(change)?.[1]);
    const before = highest.get(repository) ?? 0;
    if (seq > before + 1) world.violations.push(`${name} got ${change} before ${repository}@${before + 1}.0`);
    highest.set(repository, Math.max(before, seq));
  }
}
