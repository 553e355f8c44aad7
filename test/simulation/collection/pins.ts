// Pins during collections, as `marina pin` makes them.
import { createHold, readHolds, removeHold } from '../../../src/collection/holds.ts';
import { lostIn, openRounds } from '../../../src/collection/pin.ts';
import type { Digest, RepositoryName } from '../../../src/oci/names.ts';
import type { SimulatedNode } from '../node.ts';
import { HOUR_MS, MINUTE_MS } from '../setting.ts';
import type { CollectionWorld } from './world.ts';

/** A pin keeps each log as it was after one of its newest slots. */
const NEWEST = 5;
/** How often the command looks whether earlier rounds have ended before it gives up. */
const LOOKS = 60;

/** An operator pins the recent past. From the answer on, nothing that it did not report as lost may be deleted until the pin ends. */
export async function pin(world: CollectionWorld): Promise<void> {
  const { random, scheduler, setting, truth } = world;
  const logs = [...truth.logs].flatMap(
    ([
      repo,
      {
        state: { seq },
      },
    ]): [RepositoryName, number][] => (seq === 0 ? [] : [[repo, random.between(Math.max(1, seq - NEWEST), seq)]]),
  );
  if (logs.length === 0) return;
  const until = scheduler.now + random.pick([HOUR_MS, 1.5 * setting.grace, 4 * setting.grace]) + setting.skew;
  const work = ({ driver, newId, machine }: SimulatedNode) =>
    makePin(logs, until, { driver, newId, machine }, world.bug.hasHastyPins === true);
  const { outcome } = await world.request(`pin #${world.nextNumber()}`, work);
  if (outcome.kind !== 'ok' || outcome.value === undefined) return;
  for (const [repo, seq] of logs) truth.pinned(repo, seq, outcome.value.get(repo) ?? new Set(), until);
}

/** @returns what of each repository was lost; undefined if earlier rounds did not end */
async function makePin(
  logs: [RepositoryName, number][],
  until: number,
  { driver, newId, machine }: Pick<SimulatedNode, 'driver' | 'newId' | 'machine'>,
  isHasty: boolean,
): Promise<Map<RepositoryName, Set<Digest>> | undefined> {
  const now = machine.now();
  await createHold(driver, newId(), { v: 1, name: 'pin', moment: now, created: now, until, by: 'operator', logs });
  let waiting = isHasty ? [] : await openRounds(driver);
  for (let looks = 0; waiting.length > 0; looks++) {
    if (looks === LOOKS) return undefined;
    await machine.sleep(MINUTE_MS);
    const open = new Set(await openRounds(driver));
    waiting = waiting.filter((round) => open.has(round));
  }
  const lost = new Map<RepositoryName, Set<Digest>>();
  for (const [repo, seq] of logs) {
    const digests = new Set<Digest>();
    for await (const { digest } of lostIn(driver, repo, seq)) digests.add(digest);
    lost.set(repo, digests);
  }
  return lost;
}

/** Ends all pins. */
export async function unpin({ driver }: SimulatedNode): Promise<void> {
  for (const { id } of await readHolds(driver)) await removeHold(driver, id);
}
