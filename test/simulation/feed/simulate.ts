// A cluster with readers of its feed of changes, and sweeps at any time.
import type { Change } from '../../../src/feed/change.ts';
import { changesOf } from '../../../src/feed/change.ts';
import type { Cursor } from '../../../src/feed/cursor.ts';
import { ALL_CHANGES } from '../../../src/feed/feed.ts';
import { decodeBatch } from '../../../src/journal/events.ts';
import type { RepositoryName } from '../../../src/oci/names.ts';
import { logPrefix, slotKey } from '../../../src/storage/paths.ts';
import { type Focus, focusOf } from '../faults.ts';
import type { SimulatedNode } from '../node.ts';
import { CLUSTER } from '../setting.ts';
import { type Form, type Simulated, simulate } from '../simulate.ts';
import type { World } from '../world.ts';
import type { FeedBug, SimulatedFeed } from './feed-node.ts';

const READERS = 2;
const PAGES = 8;
const SWEEPS = 2;
/** Until everything that was hinted is noted. */
const NOTED_MS = 20_000;

/** What one reader has seen on its path. */
interface Path {
  readonly changes: Change[];
  cursor: Cursor | undefined;
  /** The scheduler's step when its first cursor was given out. */
  since: number;
}

/** One run, determined by the seed alone. */
export async function simulateFeed(
  seed: number,
  bug: FeedBug & { readonly focus?: Focus } = {},
  keepsNotes = false,
): Promise<Simulated> {
  const paths: Path[] = Array.from({ length: READERS }, () => ({ changes: [], cursor: undefined, since: 0 }));
  const { focus } = bug;
  const form: Form = {
    ...{ setting: CLUSTER, focusOf, clients: [2, 4], reads: 0, isMonotonic: false },
    feed: bug,
    beside: (world) => [
      ...paths.map((path) => reader(world, path)),
      ...Array.from({ length: SWEEPS }, () => sweeper(world)),
    ],
    atCalm: (world, repositories) => checkComplete(world, repositories, bug),
    atEnd: (world, repositories) => checkFeed(world, repositories, paths),
  };
  return await simulate(seed, focus === undefined ? {} : { focus }, keepsNotes, form);
}

async function reader(world: World, path: Path): Promise<void> {
  const { random, scheduler } = world;
  for (let left = PAGES; left > 0; left--) {
    await scheduler.sleep(random.between(0, 1_500));
    await readOn(world, path, random.between(1, 5));
  }
}

async function sweeper(world: World): Promise<void> {
  const { random, scheduler } = world;
  await scheduler.sleep(random.between(0, 6_000));
  await world.request(`sweep the notes #${world.nextNumber()}`, (node) => feedOf(node).sweep());
}

/** Reads the next page at any node. @returns whether it got one, and whether more follow */
async function readOn(world: World, path: Path, limit: number, at?: SimulatedNode): Promise<'more' | 'end' | 'none'> {
  const from = path.cursor;
  if (from === undefined) {
    const { outcome, end } = await world.request(
      `take a cursor #${world.nextNumber()}`,
      (node) => feedOf(node).feed.start({ kind: 'now' }),
      at,
    );
    if (outcome.kind !== 'ok') return 'none';
    path.cursor = outcome.value;
    path.since = end;
    return 'more';
  }
  const { signal } = new AbortController();
  const { outcome } = await world.request(
    `read changes #${world.nextNumber()}`,
    async (node) => {
      const page = await feedOf(node).feed.page(from, { filter: ALL_CHANGES, limit, signal });
      return { changes: page.changes, cursor: page.cursor, more: page.more };
    },
    at,
  );
  if (outcome.kind !== 'ok') {
    if (outcome.kind === 'refused' && outcome.error !== 'unavailable')
      world.history.violated(`the feed refused a cursor that it has given out: ${outcome.error}`);
    return 'none';
  }
  const { changes, cursor, more } = outcome.value;
  path.changes.push(...changes);
  path.cursor = cursor;
  for (const repo of new Set(changes.map(({ repository }) => repository))) await checkShown(world, repo, changes);
  return more ? 'more' : 'end';
}

/** What the feed has shown, every later answer must be based on. */
async function checkShown(world: World, repo: RepositoryName, changes: readonly Change[]): Promise<void> {
  const shown = Math.max(...changes.filter(({ repository }) => repository === repo).map(({ seq }) => seq));
  const { outcome } = await world.request(`newest slot of ${repo} #${world.nextNumber()}`, (node) => node.newest(repo));
  if (outcome.kind === 'ok' && outcome.value.seq < shown)
    world.history.violated(
      `the feed has shown slot ${shown} of ${repo}, but an answer is based on ${outcome.value.seq}`,
    );
}

/** What views show is noted after a sweep, whatever was lost. */
async function checkComplete(world: World, repositories: readonly RepositoryName[], bug: FeedBug): Promise<void> {
  if (bug.neverSweeps !== true)
    await world.request(`sweep the notes #${world.nextNumber()}`, (node) => feedOf(node).sweep());
  await world.scheduler.sleep(NOTED_MS);
  const whole = await wholeFeed(world, world.nodes[0]);
  for (const repo of repositories) {
    const last = whole.findLast(({ repository }) => repository === repo)?.seq ?? 0;
    const { outcome } = await world.request(`newest slot of ${repo} #${world.nextNumber()}`, (node) =>
      node.newest(repo),
    );
    if (outcome.kind === 'ok' && outcome.value.seq > last)
      world.history.violated(`views show slot ${outcome.value.seq} of ${repo}, but the feed ends with ${last}`);
  }
}

/** After all faults: the feed has every change of every log once, in order, for every reader. */
async function checkFeed(world: World, repositories: readonly RepositoryName[], paths: readonly Path[]): Promise<void> {
  const { scheduler, history, nodes } = world;
  await world.request(`sweep the notes #${world.nextNumber()}`, (node) => feedOf(node).sweep());
  await scheduler.sleep(NOTED_MS);
  const whole = await wholeFeed(world, nodes[0]);
  const again = await wholeFeed(world, nodes.at(-1));
  if (!Bun.deepEquals(idsOf(whole), idsOf(again))) history.violated('two nodes give different feeds');
  for (const repo of repositories) {
    const found = idsOf(whole.filter(({ repository }) => repository === repo));
    const written = idsOf(changesInLog(world, repo));
    if (!Bun.deepEquals(found, written))
      history.violated(`the feed of ${repo} is\n${found.join(' ')}, its log says\n${written.join(' ')}`);
  }
  for (const path of paths) {
    if (path.cursor === undefined) continue;
    while ((await readOn(world, path, 100)) === 'more');
    const expected = idsOf(whole).slice(whole.length - path.changes.length);
    if (!Bun.deepEquals(idsOf(path.changes), expected))
      history.violated(
        `a reader got\n${idsOf(path.changes).join(' ')}, not the end of the feed\n${expected.join(' ')}`,
      );
    const got = new Set(idsOf(path.changes));
    for (const repo of repositories) {
      for (const { id, seq } of changesInLog(world, repo)) {
        if ((world.objects.madeAt(slotKey(repo, seq)) ?? 0) > path.since && !got.has(id))
          history.violated(`${id} was written after a cursor was taken, but does not come after it`);
      }
    }
  }
}

async function wholeFeed(world: World, node: SimulatedNode | undefined): Promise<readonly Change[]> {
  const path: Path = { changes: [], cursor: undefined, since: 0 };
  const { outcome } = await world.request(
    `begin #${world.nextNumber()}`,
    (each) => feedOf(each).feed.start({ kind: 'beginning' }),
    node,
  );
  if (outcome.kind !== 'ok') world.history.violated('the feed cannot be read after all faults have ended');
  else path.cursor = outcome.value;
  while (path.cursor !== undefined && (await readOn(world, path, 100, node)) === 'more');
  return path.changes;
}

function changesInLog({ objects }: World, repo: RepositoryName): Change[] {
  return objects.below(logPrefix(repo)).flatMap((_, index) => {
    const bytes = objects.get(slotKey(repo, index + 1));
    const decoded = bytes === undefined ? undefined : decodeBatch(bytes);
    return decoded !== undefined && 'batch' in decoded ? changesOf(decoded.batch) : [];
  });
}

function idsOf(changes: readonly Change[]): string[] {
  return changes.map(({ id }) => id);
}

function feedOf({ feed }: SimulatedNode): SimulatedFeed {
  if (feed === undefined) throw new Error('this simulation has no feed');
  return feed;
}
