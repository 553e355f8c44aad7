// Backups during collections, as `marina backup` makes them, into a place that has no faults.
import { BackupIncomplete, BackupRefused } from '../../../src/backup/errors.ts';
import { HOLD_MS } from '../../../src/backup/hold-time.ts';
import { BackupPlace } from '../../../src/backup/place.ts';
import { backUp } from '../../../src/backup/run.ts';
import { type Fault, verify } from '../../../src/backup/verify.ts';
import { removeHold, renewHold } from '../../../src/collection/holds.ts';
import type { Incarnation } from '../../../src/oci/names.ts';
import type { MemoryArchive } from '../../support/memory-archive.ts';
import { type SimulatedNode, STORE } from '../node.ts';
import { MINUTE_MS } from '../setting.ts';
import type { CollectionWorld } from './world.ts';

const never = new AbortController().signal;
/** The longest that one step of a backup takes. */
const MAX_STEP_MS = 45 * MINUTE_MS;

/**
 * An operator makes a backup, which takes hours. It has all bytes of its cut, whatever clients delete and collections free meanwhile. Only
 * a process that pauses for longer than its hold lasts may find bytes gone, and then it makes no backup.
 */
export async function backup(world: CollectionWorld): Promise<void> {
  const name = `backup-${world.nextNumber()}`;
  const { archive } = world;
  const lapses = { isLapsed: false };
  const { outcome } = await world.request(name, (node) => makeBackup(world, node, name, archive, lapses));
  if (outcome.kind === 'ok' && outcome.value === 'incomplete' && !lapses.isLapsed)
    world.history.violated(`${name}: the held bytes of its cut are deleted`);
  if (outcome.kind === 'ok' && outcome.value === 'whole') world.backedUp++;
}

async function makeBackup(
  world: CollectionWorld,
  { driver, newId, machine }: SimulatedNode,
  name: string,
  archive: MemoryArchive,
  lapses: { isLapsed: boolean },
): Promise<'whole' | 'incomplete' | 'refused'> {
  const { random, scheduler, setting, bug } = world;
  let held: number | undefined;
  const noteLapse = (): void => {
    if (held !== undefined && scheduler.now - held > HOLD_MS - setting.skew) lapses.isLapsed = true;
  };
  try {
    await backUp({
      ...{ place: new BackupPlace(archive), store: STORE as Incarnation, secrets: STORE as Incarnation },
      ...{ version: 'simulated', signal: never, reader: driver, newId, name, by: 'operator' },
      now: machine.now,
      sleep: machine.sleep,
      pace: async () => {
        await machine.sleep(random.chance(0.6) ? random.next() * MAX_STEP_MS : 0);
        noteLapse();
      },
      hold: async (id, content) => {
        noteLapse();
        // The lifetime counts from before the request, in which the process may pause, too.
        const at = scheduler.now;
        if (held === undefined || bug.forgetsHolds !== true) await renewHold(driver, id, content);
        held = at;
        return true;
      },
      release: (id) => removeHold(driver, id),
      onHoldLeft: () => {},
      onEnd: async () => {},
    });
    return 'whole';
  } catch (error) {
    noteLapse();
    if (error instanceof BackupIncomplete) return 'incomplete';
    if (error instanceof BackupRefused) return 'refused';
    throw error;
  }
}

/** Every backup that said it was whole is whole. */
export async function checkBackups(world: CollectionWorld): Promise<void> {
  const place = new BackupPlace(world.archive);
  const onFault = async ({ fault, repo, digest }: Fault): Promise<void> =>
    world.history.violated(`${repo}: a backup lost ${digest} (${fault})`);
  await verify(place, await place.list(), { sample: 1, random: Math.random, onFault, signal: never });
}
