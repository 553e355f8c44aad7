// Constant collection with a grace of seconds, while clients push, mount, delete and repush images with shared layers, and
// nodes, workers and servers are killed. `npm run drill` is the long form; DRILL_SEED=<text> repeats a run's choices.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { marinaCommand } from '../cli/marina.ts';
import { stopClusters } from '../support/cluster.ts';
import { attempt, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { Random } from '../support/drill/random.ts';
import { eventually } from '../support/eventually.ts';
import { clusterSite, embeddedSite, type Site, workAt } from './collecting.ts';
import type { Tally } from './owner.ts';
import { type Stored, storedBytes } from './stored.ts';

const isLong = process.env.DRILL_FORM === 'long';
const WORK_MS = isLong ? 240_000 : 7_000;
const OWNERS = isLong ? 10 : 6;
const WITHIN_MS = isLong ? 900_000 : 400_000;
/** Since the last delete: blobs are unlinked after the grace, bytes are freed after another, and the job of a dead worker starts late. */
const SHRINKS_WITHIN_MS = 120_000;
/** The maximum ratio of stored to live bytes. */
const MAX_STORED = 1.15;
const PATIENCE_MS = 60_000;
/** On a busy machine this takes longer, and so does each kind of work. */
const MIN_FAULTS = 4;
const ALL_DONE_WITHIN_MS = 120_000;

const seed = process.env.DRILL_SEED ?? String(Date.now());
console.log(`collection drill: DRILL_SEED=${seed} repeats its choices`);

beforeAll(async () => {
  await tools('minio', 'redis-server', 'haproxy');
}, TOOLS_WITHIN_MS);
afterAll(stopClusters);

interface Lines {
  readonly code: number;
  readonly all: readonly Record<string, unknown>[];
}

async function marina({ env }: Site, ...args: readonly string[]): Promise<Lines> {
  const { code, stdout } = await attempt([...marinaCommand, ...args, '--json'], { env, timeoutMs: SHRINKS_WITHIN_MS });
  const lines = new TextDecoder().decode(stdout).split('\n');
  return { code, all: lines.filter((line) => line !== '').map((line): Record<string, unknown> => JSON.parse(line)) };
}

async function drill(site: Site, random: Random): Promise<void> {
  const end = performance.now() + WORK_MS;
  const isEnough = (tally: Tally): boolean => {
    const now = performance.now();
    const isAllDone = tally.faults >= MIN_FAULTS && doneOf(tally).every((count) => count > 0);
    return now >= end && (isAllDone || now >= end + ALL_DONE_WITHIN_MS);
  };
  const { tally, check } = await workAt(site, random, { owners: OWNERS, patience: PATIENCE_MS, isEnough });
  await check('when all is quiet');
  let stored: Stored = { all: 0, live: 0, content: 0 };
  await eventually(async () => {
    const { all } = await marina(site, 'gc', '--wait');
    expect(all.at(-1)).toMatchObject({ failures: 0 });
    stored = await site.look(storedBytes);
    expect(stored.all).toBeLessThanOrEqual(stored.live * MAX_STORED);
  }, SHRINKS_WITHIN_MS);
  await check('after one more collection');
  const checked = await marina(site, 'fsck', '--scrub');
  expect(checked.all.filter(({ severity }) => severity === 'fault')).toEqual([]);
  console.log(JSON.stringify({ drill: site.name, ...tally, ...stored }));
  expect(tally.violations).toEqual([]);
  expect(tally.late).toEqual([]);
  for (const count of doneOf(tally)) expect(count).toBeGreaterThan(0);
}

/** What a drill without it would prove little about. */
function doneOf({ pushes, pushesAgain, deletes, mounts, known }: Tally): readonly number[] {
  return [pushes, pushesAgain, deletes, mounts, known];
}

test(
  'embedded, on a folder: nothing acknowledged is collected across crashes and restarts',
  async () => {
    const random = new Random(`${seed} embedded`);
    const site = await embeddedSite();
    await drill(site, random);
    expect(loggedDefects(site)).toEqual([]);
  },
  WITHIN_MS,
);

test(
  'a cluster: nothing acknowledged is collected while nodes and workers are killed',
  async () => {
    const random = new Random(`${seed} cluster`);
    const site = await clusterSite();
    await drill(site, random);
    expect(loggedDefects(site)).toEqual([]);
  },
  WITHIN_MS,
);

/** Logged errors that are defects, without those of other processes that did not answer. */
function loggedDefects(site: Site): string[] {
  const lines = site.logs().split('\n');
  return lines.filter((line) => /"level":(50|60)/.test(line) && !/"type":"(RegistryError|NoAnswer)"/.test(line));
}
