import { join } from 'node:path';
import { parseRepositoryName } from '../../../src/oci/names.ts';
import type { StoreReader } from '../../../src/storage/driver.ts';
import { FileThread } from '../../../src/storage/filesystem/file-thread.ts';
import { FileReading } from '../../../src/storage/filesystem/reading.ts';
import { snapshotPrefix } from '../../../src/storage/paths.ts';
import { markedRepositories } from '../../support/drill/chain.ts';
import { Fault } from '../../support/drill/fault.ts';
import { History } from '../../support/drill/history.ts';
import type { Random } from '../../support/drill/random.ts';
import { temporaryFolder } from '../../support/server.ts';
import { within } from '../../support/within.ts';
import { fillLogs, work } from './client.ts';
import { begin, Gone, type Life, tail } from './node.ts';
import { describe, type Ending } from './plan.ts';
import { cutPower } from './power-cut.ts';
import { proceed } from './upload.ts';
import { type Checked, verify } from './verify.ts';
import type { World } from './world.ts';

const CLIENTS = 12;
/** A step that is not reached under this much load is on no path. */
const STEP_WITHIN_MS = 60_000;
const CHECK_EVERYTHING_EVERY = 40;
/** Tag moves in each repository before the first kill, some of which change nothing: a snapshot is due after 512 slots. */
const FIRST_MOVES = 480;
const FURTHER_MOVES = 40;
const SNAPSHOT_WITHIN_MS = 60_000;

/** The number of killed servers, by kind of ending. */
type Kills = Map<string, number>;

export interface LaneResult {
  readonly folder: string;
  readonly kills: Kills;
  readonly checked: Checked;
  /** The number of objects whose files power cuts affected. */
  readonly hit: number;
  /** The number at the end. Folds after a kill started from snapshots. */
  readonly snapshots: number;
}

/**
 * One folder, and one server after another on it: start, compare with the history, load, kill.
 * @param writesAhead whether the servers have a write-ahead log; then every other kill also simulates a power cut
 * @param signal ends the lane early
 * @throws Error that names the kill after which a fault was found
 */
export async function runLane(
  name: string,
  writesAhead: boolean,
  endings: readonly Ending[],
  random: Random,
  signal: AbortSignal,
): Promise<LaneResult> {
  const folder = temporaryFolder(`drill-${name}`);
  const driver = new FileReading({ pathOf: (key) => join(folder, key), thread: new FileThread() });
  const world: World = {
    history: new History(),
    manifests: new Map(),
    pushable: new Map(),
    shared: [],
    uploads: new Set(),
    idle: [],
    ended: [],
    freshRepositories: 0,
  };
  const kills: Kills = new Map();
  const base = { STORAGE_PATH: folder, STORAGE_WRITE_AHEAD: String(writesAhead) };
  let hit = 0;
  const checked: Checked = {
    acknowledged: 0,
    names: 0,
    bytes: 0,
    uploadsResumable: 0,
    uploadsEnded: 0,
    walked: { slots: 0, heads: new Map() },
  };
  await prepare(world, base, driver, random);
  let before = 'the first start';
  for (const [cycle, ending] of endings.entries()) {
    signal.throwIfAborted();
    const everything = cycle % CHECK_EVERYTHING_EVERY === CHECK_EVERYTHING_EVERY - 1;
    const settings = ending.kind === 'step' ? { CRASH_POINT: `${ending.point}:${ending.count}` } : {};
    const now = `kill ${cycle} of lane ${name} (${describe(ending)})`;
    let life: Life | undefined;
    try {
      life = await begin({ ...base, LOG_LEVEL: 'warn', ...settings });
      const check = async (server: Life): Promise<void> =>
        await verify({ world, life: server, driver, checked, everything });
      if (life !== undefined && (await survives(life, ending, check))) {
        await loadUntilKilled(world, life, ending, random.child(`cycle ${cycle}`));
      }
    } catch (error) {
      const log = life === undefined ? '' : `\nthe server's last lines:\n${tail(life.server.logs())}`;
      throw new Error(`between ${before} and ${now}: ${String(error)}${log}`, { cause: error });
    }
    if (writesAhead && cycle % 2 === 0) hit += cutPower(folder, random.child(`power cut ${cycle}`));
    const what = ending.kind === 'step' ? ending.point : 'moment';
    kills.set(what, (kills.get(what) ?? 0) + 1);
    before = now;
  }
  await finish(world, base, driver, checked, random);
  return { folder, kills, checked, hit, snapshots: await snapshotsIn(driver) };
}

/**
 * Whether the server outlives the check. After its start it notes what the killed one did not, which may already reach the step. The next
 * life checks the same again.
 */
async function survives(life: Life, ending: Ending, check: (life: Life) => Promise<void>): Promise<boolean> {
  try {
    await check(life);
    return true;
  } catch (error) {
    const { server } = life;
    if (!(error instanceof Gone) || ending.kind !== 'step' || server.process.signalCode !== 'SIGKILL') throw error;
    await server.kill();
    return false;
  }
}

async function prepare(
  world: World,
  base: Readonly<Record<string, string>>,
  driver: StoreReader,
  random: Random,
): Promise<void> {
  const life = await begin(base);
  if (life === undefined) throw new Fault('the first start was killed');
  await fillLogs({ world, life }, FIRST_MOVES, random.child('first slots'));
  // The folds after each kill start from a snapshot.
  const deadline = Date.now() + SNAPSHOT_WITHIN_MS;
  for (let round = 0; (await snapshotsIn(driver)) === 0; round++) {
    if (Date.now() > deadline) throw new Fault(`no snapshot within ${SNAPSHOT_WITHIN_MS} ms`);
    await fillLogs({ world, life }, FURTHER_MOVES, random.child(`further slots ${round}`));
  }
  await life.server.kill();
}

/** Clients work until the server is killed, at a step or by the drill; any end other than SIGKILL is a fault. */
async function loadUntilKilled(world: World, life: Life, ending: Ending, random: Random): Promise<void> {
  const { server } = life;
  const clients = Array.from({ length: CLIENTS }, (_, number) =>
    work({ world, life }, random.child(`client ${number}`)),
  );
  const working = Promise.all(clients);
  // A client that sees a fault ends the load.
  const faulty = working.then(() => undefined);
  if (ending.kind === 'moment') {
    await Promise.race([Bun.sleep(ending.milliseconds), faulty]);
    server.process.kill('SIGKILL');
  }
  const died = await within(STEP_WITHIN_MS, Promise.race([server.process.exited, faulty]));
  const how = server.process.signalCode;
  const logs = tail(server.logs());
  await server.kill();
  await working;
  if (died === undefined && how === null) throw new Fault(`${describe(ending)} did not happen under load`);
  if (logs.includes('"level":50')) throw new Fault(`the server logged errors:\n${logs}`);
  if (how !== 'SIGKILL') throw new Fault(`the server ended with ${how ?? 'an exit code'} instead of SIGKILL:\n${logs}`);
}

/** The last check, of everything. Uploads that survived all kills are finished, and leave nothing behind. */
async function finish(
  world: World,
  base: Readonly<Record<string, string>>,
  driver: StoreReader,
  checked: Checked,
  random: Random,
): Promise<void> {
  const life = await begin(base);
  if (life === undefined) throw new Fault('the last start was killed');
  const check = { world, life, driver, checked, everything: true };
  await verify(check);
  for (const upload of world.idle.splice(0)) await proceed({ world, life }, upload, random, 'at once');
  await verify(check);
  const code = await life.server.stop();
  if (code !== 0) throw new Fault(`the last server ended with exit code ${code} after SIGTERM`);
  for await (const { key } of driver.list('wal/')) throw new Fault(`${key} remains after a clean shutdown`);
  for await (const { key } of driver.list('tmp/')) {
    if (key !== 'tmp/reserve') throw new Fault(`${key} remains of a killed server`);
  }
}

async function snapshotsIn(driver: StoreReader): Promise<number> {
  let snapshots = 0;
  for (const name of await markedRepositories(driver)) {
    const repository = parseRepositoryName(name);
    if (repository === undefined) throw new Fault(`${name} has a marker, but is not a repository name`);
    for await (const _ of driver.list(snapshotPrefix(repository))) snapshots++;
  }
  return snapshots;
}
