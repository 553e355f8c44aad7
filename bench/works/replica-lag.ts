// How fast a replica makes up a lag of 100,000 small changes, each a push of a tag of its own, in many repositories and in one. The replica is
// stopped while they are pushed. The time is from the start of its process, which copies before it listens, until it has every change; the
// source and the replica share the machine, and so the disk.
import { join } from 'node:path';
import { startMarina } from '../peers/marina.ts';
import type { Registry } from '../peers/peer.ts';
import { atRest } from '../processes.ts';
import { bytesOf, type Manifest, pushImage, putManifest } from '../registry.ts';
import type { Context, Row, Work } from '../work.ts';

const CHANGES = { quick: 10_000, normal: 100_000 };
const CHANGES_PER_SECOND = 2_000;
const REPOSITORIES = { 'in 100 repositories': 100, 'in one repository': 1 };
const PUSHERS = 64;
const POLL_MS = 100;
const COPIED_WITHIN_MS = 600_000;

/** The sum of a metric over its series; 0 if there are none. */
async function metric({ address }: Registry, name: string): Promise<number> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const values = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Waits until a replica has everything, and at least this many changes since it was started. */
async function caughtUp(replica: Registry, changes: number): Promise<void> {
  const deadline = performance.now() + COPIED_WITHIN_MS;
  while (performance.now() < deadline) {
    const copied = await metric(replica, 'marina_replica_changes_total');
    if (copied >= changes && (await metric(replica, 'marina_replica_current')) === 1) return;
    await Bun.sleep(POLL_MS);
  }
  throw new Error('the replica does not catch up');
}

async function measure(context: Context, title: keyof typeof REPOSITORIES): Promise<Row> {
  const { place, settings, note, say } = context;
  const changes = settings.quick ? CHANGES.quick : CHANGES.normal;
  const folder = place.folder('replica-lag');
  const started: Registry[] = [];
  const start = async (name: string, more: Readonly<Record<string, string>>): Promise<Registry> => {
    const registry = await startMarina(place, join(folder, name), join(folder, `${name}.log`), { more });
    started.push(registry);
    return registry;
  };
  try {
    const source = await start('source', {});
    const images: { readonly repository: string; readonly manifest: Manifest }[] = [];
    for (let n = 0; n < REPOSITORIES[title]; n++) {
      const repository = `team/service-${n}`;
      const manifest = await pushImage(source.address, repository, 'first', [bytesOf(`layer of ${repository}`, 100)]);
      images.push({ repository, manifest });
    }
    const following = { REPLICA_OF: `http://${source.address}` };
    const before = await start('replica', following);
    await caughtUp(before, images.length);
    await before.child.stop();
    say(`replica-lag: pushing ${changes} tags ${title}`);
    let next = 0;
    const pusher = async (): Promise<void> => {
      for (let n = next++; n < changes; n = next++) {
        const image = images[n % images.length];
        if (image === undefined) throw new Error('there is no image');
        await putManifest(source.address, image.repository, `t-${n}`, image.manifest);
      }
    };
    await Promise.all(Array.from({ length: PUSHERS }, pusher));
    await atRest([source.child.pid]);
    await place.call(['sync']);
    const begun = performance.now();
    await caughtUp(await start('replica', following), changes);
    const seconds = (performance.now() - begun) / 1_000;
    note(`replica-lag: ${title}: ${Math.round(changes / seconds)} changes a second`);
    return {
      ...{ work: 'replica-lag', title: `a replica makes up a lag of ${changes} changes ${title}`, unit: 's' },
      ...{ values: { marina: seconds }, most: changes / CHANGES_PER_SECOND, raw: {} },
    };
  } finally {
    for (const { child } of started.reverse()) await child.stop();
  }
}

async function run(context: Context): Promise<Row[]> {
  return [await measure(context, 'in 100 repositories'), await measure(context, 'in one repository')];
}

export const replicaLagWork: Work = {
  name: 'replica-lag',
  about: 'how long a replica takes to make up a lag of 100,000 changes',
  long: true,
  run,
};
