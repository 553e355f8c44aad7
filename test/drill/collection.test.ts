// Collection with a grace of seconds, all the time, while clients push, mount, delete and push again what shares layers, and
// nodes, workers and servers are killed. `npm run drill` is the long form; DRILL_SEED=<text> repeats a run's choices.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { StoreReader } from '../../src/storage/driver.ts';
import { openFolderReadOnly } from '../../src/storage/filesystem/folder.ts';
import { openS3ReadOnly } from '../../src/storage/s3/open.ts';
import { marinaCommand } from '../cli/marina.ts';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { attempt, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { Random } from '../support/drill/random.ts';
import { eventually } from '../support/eventually.ts';
import { configurationOf, realPorts } from '../support/minio.ts';
import { content, mediaTypes } from '../support/oci.ts';
import { freePort, startServer, temporaryFolder } from '../support/server.ts';
import { Owner, type Registry, Tally } from './owner.ts';
import { type Stored, storedBytes } from './stored.ts';

const isLong = process.env.DRILL_FORM === 'long';
const WORK_MS = isLong ? 240_000 : 7_000;
const OWNERS = isLong ? 10 : 6;
const WITHIN_MS = isLong ? 900_000 : 150_000;
/** From the last delete: blobs are unlinked after the grace and their bytes freed after another; a dead worker's job is missed for a while. */
const FALLS_WITHIN_MS = 60_000;
/** Of the live set. */
const MOST_STORED = 1.15;
const GRACE_MS = 4_000;
const SETTINGS = { GC_GRACE: `${GRACE_MS}ms`, GC_INTERVAL: '500ms', UPLOAD_EXPIRY: '5s' };
/** On a machine that is busy it takes longer. */
const LEAST_FAULTS = 4;
const REPOSITORIES = ['shared/one', 'shared/two', 'shared/three', 'other'];
const LAYERS = 12;

const seed = process.env.DRILL_SEED ?? String(Date.now());
console.log(`collection drill: DRILL_SEED=${seed} repeats its choices`);

beforeAll(async () => {
  await tools('minio', 'redis-server', 'haproxy');
}, TOOLS_WITHIN_MS);
afterAll(stopClusters, 60_000);

/** What is drilled. */
interface Site {
  readonly name: string;
  readonly url: string;
  /** For the commands. */
  readonly env: Readonly<Record<string, string>>;
  /** Kills something, and starts it again after a while. */
  readonly strike: (random: Random) => Promise<void>;
  /** Into its store, beside it. */
  readonly look: <T>(into: (driver: StoreReader) => Promise<T>) => Promise<T>;
  readonly logs: () => string;
}

interface Lines {
  readonly code: number;
  readonly all: readonly Record<string, unknown>[];
}

async function marina({ env }: Site, ...args: readonly string[]): Promise<Lines> {
  const { code, stdout } = await attempt([...marinaCommand, ...args, '--json'], { env, timeoutMs: FALLS_WITHIN_MS });
  const lines = new TextDecoder().decode(stdout).split('\n');
  return { code, all: lines.filter((line) => line !== '').map((line): Record<string, unknown> => JSON.parse(line)) };
}

async function drill(site: Site, random: Random): Promise<void> {
  const tally = new Tally();
  const layers = Array.from({ length: LAYERS }, () =>
    content(random.bytes(random.between(20_000, 60_000)), mediaTypes.layer),
  );
  const registry: Registry = { url: site.url, repositories: REPOSITORIES, layers, holds: GRACE_MS / 2, tally };
  const owners = Array.from(
    { length: OWNERS },
    (_, n) => new Owner(registry, random.child(`owner ${n}`), `owner-${n}`),
  );
  const stop = new AbortController();
  const working = Promise.all(owners.map((owner) => owner.work(stop.signal)));
  try {
    const end = performance.now() + WORK_MS;
    while (performance.now() < end || tally.faults < LEAST_FAULTS) {
      await Promise.race([Bun.sleep(random.between(500, 1_500)), working]);
      tally.faults++;
      await site.strike(random);
    }
  } finally {
    stop.abort();
  }
  await working;
  const check = async (when: string): Promise<void> => {
    await Promise.all(owners.map((owner) => owner.check(when)));
  };
  await check('when all is quiet');
  let stored: Stored = { all: 0, live: 0, content: 0 };
  await eventually(async () => {
    const { all } = await marina(site, 'gc', '--wait');
    expect(all.at(-1)).toMatchObject({ failures: 0 });
    stored = await site.look(storedBytes);
    expect(stored.all).toBeLessThanOrEqual(stored.live * MOST_STORED);
  }, FALLS_WITHIN_MS);
  await check('after one more collection');
  const checked = await marina(site, 'fsck', '--scrub');
  expect(checked.all.filter(({ severity }) => severity === 'fault')).toEqual([]);
  console.log(JSON.stringify({ drill: site.name, ...tally, ...stored }));
  expect(tally.violations).toEqual([]);
  for (const count of [tally.pushes, tally.pushesAgain, tally.deletes, tally.mounts, tally.known]) {
    expect(count).toBeGreaterThan(0);
  }
}

test(
  'embedded, on a folder: killed and started again, nothing that was acknowledged is collected',
  async () => {
    const random = new Random(`${seed} embedded`);
    const settings = { ...SETTINGS, STORAGE_PATH: temporaryFolder('collected'), PORT: String(freePort()) };
    let server = await startServer(settings);
    let logs = '';
    const site: Site = {
      name: 'embedded',
      url: server.url,
      env: settings,
      strike: async (strikes) => {
        await server.kill();
        logs += server.logs();
        await Bun.sleep(strikes.between(0, 300));
        server = await startServer(settings);
      },
      look: async (into) => await into(await openFolderReadOnly(settings.STORAGE_PATH)),
      logs: () => logs + server.logs(),
    };
    await drill(site, random);
    expect(complaints(site)).toEqual([]);
  },
  WITHIN_MS,
);

test(
  'a cluster: nodes and workers are killed, nothing that was acknowledged is collected',
  async () => {
    const random = new Random(`${seed} cluster`);
    const cluster = await startCluster({ nodes: 3, workers: 2, env: SETTINGS });
    const strikeNode = async (strikes: Random): Promise<void> => {
      const index = strikes.between(0, cluster.nodes.length - 1);
      await cluster.nodes[index]?.kill();
      await Bun.sleep(strikes.between(0, 500));
      await cluster.restart(index);
    };
    const strikeWorker = async (strikes: Random): Promise<void> => {
      const index = strikes.between(0, cluster.workers.length - 1);
      const worker = cluster.workers[index];
      if (worker?.process.signalCode !== null) return;
      await worker.kill();
      await Bun.sleep(strikes.between(0, 500));
      await cluster.addWorker();
    };
    const site: Site = {
      name: 'cluster',
      url: cluster.url,
      env: { ...cluster.env, ...SETTINGS },
      strike: (strikes) => (strikes.chance(0.5) ? strikeNode(strikes) : strikeWorker(strikes)),
      look: async (into) => {
        const settings = {
          ...configurationOf(cluster.objects.endpoint, cluster.env.S3_BUCKET ?? ''),
          s3Prefix: undefined,
        };
        const { driver, close } = await openS3ReadOnly(settings, realPorts());
        try {
          return await into(driver);
        } finally {
          await close();
        }
      },
      logs: () => [...cluster.nodes, ...cluster.workers].map((each) => each.logs()).join('\n'),
    };
    await drill(site, random);
    expect(complaints(site)).toEqual([]);
  },
  WITHIN_MS,
);

/** Errors of a defect of its own: not that something else did not answer. */
function complaints(site: Site): string[] {
  const lines = site.logs().split('\n');
  return lines.filter((line) => /"level":(50|60)/.test(line) && !/"type":"(RegistryError|NoAnswer)"/.test(line));
}
