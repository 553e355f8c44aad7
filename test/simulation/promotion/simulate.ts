import { decodeNote, type NoteBatch } from '../../../src/feed/notes/events.ts';
import { type Batch, decodeBatch, hashSlot, NO_SLOT } from '../../../src/journal/events.ts';
import { foldLog } from '../../../src/journal/log.ts';
import type { RepositoryName } from '../../../src/oci/names.ts';
import type { FollowingState } from '../../../src/replica/follower.ts';
import { readReplicaMark } from '../../../src/replica/mark.ts';
import { roleOf } from '../../../src/replica/role.ts';
import type { Key } from '../../../src/storage/driver.ts';
import { MemoryDriver } from '../../../src/storage/memory/driver.ts';
import { dataKey, isCreatedOnce, noteKey, PROMOTION, slotKey } from '../../../src/storage/paths.ts';
import { StoreRefused } from '../../../src/storage/prepare.ts';
import { Random } from '../random.ts';
import { type Bug, HISTORY, REPOSITORIES, type Store, World } from './world.ts';

const SECOND_MS = 1_000;
/** Longer than any pause of a follower. */
const QUIET_MS = 150 * SECOND_MS;

export interface Simulated {
  readonly violations: readonly string[];
  /** What the runs exercised: writes that were acknowledged by the former primary after the promotion, and so on. */
  readonly counts: Readonly<Record<'acknowledged' | 'parted' | 'kept' | 'refused' | 'equal', number>>;
}

/** One run of a promotion while clients write to both sides and processes die and hang; determined by the seed alone. */
export async function simulatePromotion(seed: number, bug: Bug = {}): Promise<Simulated> {
  const random = new Random(seed);
  const world = new World(random, bug);
  const { scheduler, primary, replica, other } = world;
  let isDone = false;
  const outcomes: ('refused' | 'equal')[] = [];
  const live = async (): Promise<void> => {
    await world.begin(replica);
    await world.begin(other);
    const former = world.process();
    const pushToFormer = world.serve(primary, former);
    for (let count = random.between(1, 2); count > 0; count--) world.follow(replica, primary, world.process());
    const follower = world.process();
    world.follow(other, primary, follower);
    const clients = clientsOf(world, pushToFormer, random.between(2, 12), 40 * SECOND_MS);
    const faults = disturbances(world, random.between(0, 4), 25 * SECOND_MS);
    await scheduler.sleep(random.between(3 * SECOND_MS, 20 * SECOND_MS));
    // The former primary may be lost, or may not notice anything.
    if (random.chance(0.4)) former.isDead = true;
    await promoteInTheEnd(world);
    world.promotedAt = promotionTime(replica);
    const pushToPromoted = world.serve(replica, world.process());
    await Promise.all([clients, faults, clientsOf(world, pushToPromoted, random.between(1, 8), 20 * SECOND_MS)]);
    await calm(world);
    // Another replica of the former primary gets the promoted one as its source.
    follower.isDead = true;
    const before = truthOf(other);
    const state = world.follow(other, replica, world.process());
    // A process of the promoted store that was started without a look at the mark, and follows the former primary.
    const own = truthOf(replica);
    const late = world.follow(replica, primary, world.process());
    await scheduler.sleep(QUIET_MS);
    outcomes.push(checkOther(world, before, state()));
    checkLate(world, own, late());
    isDone = true;
  };
  const life = live().catch((error: unknown) => {
    world.violations.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    isDone = true;
  });
  await scheduler.run(() => isDone, Number.POSITIVE_INFINITY);
  await life;
  await check(world);
  const counts = {
    acknowledged: world.acknowledged.length,
    kept: world.acknowledged.filter(({ store }) => store === replica).length,
    parted: REPOSITORIES.filter((repo) => isParted(primary, replica, repo)).length,
    refused: outcomes.filter((each) => each === 'refused').length,
    equal: outcomes.filter((each) => each === 'equal').length,
  };
  return { violations: world.violations, counts };
}

/** An operator repeats the command if it was killed, or hangs. */
async function promoteInTheEnd(world: World): Promise<void> {
  const { scheduler, replica } = world;
  while (!replica.objects.has(PROMOTION)) {
    const operator = world.process();
    await Promise.race([world.promote(operator), scheduler.sleep(20 * SECOND_MS)]);
    operator.isDead = !replica.objects.has(PROMOTION);
  }
}

async function clientsOf({ random, scheduler }: World, push: () => Promise<boolean>, count: number, within: number) {
  const clients = Array.from({ length: count }, async () => {
    await scheduler.sleep(random.between(0, within));
    // A server that died never answers, and its client gives up.
    await Promise.race([push(), scheduler.sleep(30 * SECOND_MS)]);
  });
  await Promise.all(clients);
}

/** Processes that copy hang, or die and are started again. */
async function disturbances(world: World, count: number, within: number): Promise<void> {
  const { random, scheduler, processes, copying, replica, primary } = world;
  const faults = Array.from({ length: count }, async () => {
    await scheduler.sleep(random.between(0, within));
    const process = random.pick([...processes]);
    if (random.chance(0.5) && copying.has(process)) {
      process.isDead = true;
      world.follow(replica, primary, world.process());
      return;
    }
    process.hangsUntil = scheduler.now + random.between(SECOND_MS, 15 * SECOND_MS);
    await scheduler.sleep(process.hangsUntil - scheduler.now);
    scheduler.release(process, random.chance(0.5));
  });
  await Promise.all(faults);
}

async function calm(world: World): Promise<void> {
  world.faults = 0;
  for (const process of world.processes) {
    if (process.hangsUntil <= world.scheduler.now) continue;
    process.hangsUntil = 0;
    world.scheduler.release(process);
  }
  await world.scheduler.sleep(5 * SECOND_MS);
}

/** Everything that is created once, and so belongs to a history. */
function truthOf({ objects }: Store): ReadonlyMap<Key, Uint8Array> {
  return new Map([...objects].filter(([key]) => isCreatedOnce(key) && !key.includes('/_snap/')));
}

function notesOf({ objects }: Store): NoteBatch[] {
  const notes: NoteBatch[] = [];
  for (let seq = 1; ; seq++) {
    const bytes = objects.get(noteKey(seq));
    if (bytes === undefined) return notes;
    const decoded = decodeNote(bytes);
    if ('problem' in decoded) throw new Error(decoded.problem);
    notes.push(decoded.batch);
  }
}

function slotsOf({ objects }: Store, repo: RepositoryName): { readonly batch: Batch; readonly hash: string }[] {
  const slots: { batch: Batch; hash: string }[] = [];
  for (let seq = 1; ; seq++) {
    const bytes = objects.get(slotKey(repo, seq));
    if (bytes === undefined) return slots;
    const decoded = decodeBatch(bytes);
    if ('problem' in decoded) throw new Error(decoded.problem);
    slots.push({ batch: decoded.batch, hash: hashSlot(bytes) });
  }
}

function promotionTime(store: Store): number | undefined {
  const note = notesOf(store).find(({ events }) => events.some(({ type }) => type === 'store.promoted'));
  return note === undefined ? undefined : Date.parse(note.at);
}

function isParted(one: Store, other: Store, repo: RepositoryName): boolean {
  const [a, b] = [slotsOf(one, repo), slotsOf(other, repo)];
  return a.some(({ hash }, index) => b[index] !== undefined && b[index]?.hash !== hash);
}

/** The promises of docs/replicas.md. */
async function check(world: World): Promise<void> {
  const { violations, acknowledged, primary, replica, other, promotedAt } = world;
  for (const store of [primary, replica, other]) {
    for (const repo of REPOSITORIES) {
      let last: string = NO_SLOT;
      for (const { batch, hash } of slotsOf(store, repo)) {
        if (batch.prev !== last)
          violations.push(`${store.name}: slot ${batch.seq} of ${repo} does not follow the one before`);
        last = hash;
      }
    }
  }
  for (const { store, repo, digest } of acknowledged) {
    const { state } = await foldLog(new MemoryDriver(store.objects), repo);
    const link = state.manifest(digest);
    if (link === undefined) violations.push(`${store.name} lost ${digest} of ${repo}, which it had acknowledged`);
    else if (!store.objects.has(dataKey(link.inc))) violations.push(`${store.name} lost the bytes of ${digest}`);
  }
  if (promotedAt === undefined) {
    violations.push('the notes do not say that the store was promoted');
    return;
  }
  const written = new Set(slotHashes(primary));
  for (const repo of REPOSITORIES) {
    for (const { batch, hash } of slotsOf(replica, repo))
      if (written.has(hash) && Date.parse(batch.at) > promotedAt)
        violations.push(
          `slot ${batch.seq} of ${repo}, which the former primary wrote after the promotion, is in the promoted store`,
        );
  }
  checkRole(world, await readReplicaMark(new MemoryDriver(replica.objects)));
}

function slotHashes(store: Store): string[] {
  return REPOSITORIES.flatMap((repo) => slotsOf(store, repo).map(({ hash }) => hash));
}

/** A start of the promoted store, or of the former primary, as a replica is refused. */
function checkRole({ violations, replica }: World, mark: Awaited<ReturnType<typeof readReplicaMark>>): void {
  for (const [instance, its] of [[replica.instance, mark] as const, [HISTORY, undefined] as const]) {
    try {
      roleOf({ store: HISTORY, instance }, its, 'https://source');
      violations.push(`a store that has a history of its own was started as a replica (${instance})`);
    } catch (error) {
      if (!(error instanceof StoreRefused)) throw error;
    }
  }
}

/** It is equal to the promoted store, or was refused. Either way it has nothing that neither of the two histories has. */
function checkOther(
  { violations, replica, other, primary }: World,
  before: ReadonlyMap<Key, Uint8Array>,
  state: FollowingState,
): 'refused' | 'equal' {
  const after = truthOf(other);
  for (const [key, bytes] of before)
    if (!isSame(after.get(key), bytes)) violations.push(`the other replica lost or replaced ${key}`);
  const [present, former] = [truthOf(replica), truthOf(primary)];
  if (state.kind === 'following') {
    for (const [key, bytes] of present)
      if (isLog(key) && !isSame(after.get(key), bytes))
        violations.push(`the other replica lacks ${key}, or has another`);
    for (const key of after.keys())
      if (isLog(key) && !present.has(key))
        violations.push(`the other replica has ${key}, which the promoted store has not`);
    return 'equal';
  }
  if (state.kind !== 'refused') violations.push(`the other replica is ${state.kind} after all faults have ended`);
  for (const [key, bytes] of after)
    if (isLog(key) && !isSame(present.get(key), bytes) && !isSame(former.get(key), bytes))
      violations.push(`the other replica has ${key}, which is of neither history`);
  return 'refused';
}

/** Nothing of the former primary is copied into the promoted store. */
function checkLate({ violations, replica }: World, before: ReadonlyMap<Key, Uint8Array>, state: FollowingState): void {
  if (state.kind === 'following') violations.push('the promoted store follows the former primary');
  for (const key of truthOf(replica).keys())
    if (isLog(key) && !before.has(key) && !key.startsWith('notes/'))
      violations.push(`${key} was copied after the promotion`);
}

function isLog(key: Key): boolean {
  return key.includes('/_log/') || key.startsWith(noteKey(1).slice(0, noteKey(1).lastIndexOf('/')));
}

function isSame(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && Buffer.compare(one, other) === 0;
}
