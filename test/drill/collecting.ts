// Shared by the drills of collection: a grace of seconds, clients that share layers, and constant kills.
import { planRestore } from '../../src/cli/undo/plan.ts';
import { ControlClient } from '../../src/control/client.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import type { RepositoryName, Tag } from '../../src/oci/names.ts';
import type { StoreReader } from '../../src/storage/driver.ts';
import { openFolderReadOnly } from '../../src/storage/filesystem/folder-reader.ts';
import { openS3ReadOnly } from '../../src/storage/s3/open.ts';
import { startCluster } from '../support/cluster.ts';
import type { Random } from '../support/drill/random.ts';
import { configurationOf, realPorts } from '../support/minio.ts';
import { content, mediaTypes } from '../support/oci.ts';
import { freePort, startServer, temporaryFolder } from '../support/server.ts';
import { Owner, type Registry, Tally } from './owner.ts';

const GRACE_MS = 4_000;
const SETTINGS = { GC_GRACE: `${GRACE_MS}ms`, GC_INTERVAL: '100ms', UPLOAD_EXPIRY: '5s' };
const REPOSITORIES = ['shared/one', 'shared/two', 'shared/three', 'other'];
const LAYERS = 12;

/** The system under test. */
export interface Site {
  readonly name: string;
  readonly url: string;
  /** The environment of commands. */
  readonly env: Readonly<Record<string, string>>;
  /** Kills a process, and restarts it after a while. */
  readonly strike: (random: Random) => Promise<void>;
  /** Reads its store directly. */
  readonly look: <T>(into: (driver: StoreReader) => Promise<T>) => Promise<T>;
  readonly logs: () => string;
  readonly restore?: Registry['restore'];
}

export interface Worked {
  readonly tally: Tally;
  /** All owners check their images. */
  readonly check: (when: string) => Promise<void>;
}

export interface Terms {
  readonly owners: number;
  /** Milliseconds after which what did not succeed is late. */
  readonly patience: number;
  readonly isEnough: (tally: Tally) => boolean;
}

/** Lets owners work while processes are killed, until `isEnough`. */
export async function workAt(site: Site, random: Random, { owners: many, patience, isEnough }: Terms): Promise<Worked> {
  const tally = new Tally();
  const layers = Array.from({ length: LAYERS }, () =>
    content(random.bytes(random.between(20_000, 60_000)), mediaTypes.layer),
  );
  const registry: Registry = {
    ...{ url: site.url, repositories: REPOSITORIES, layers, holds: GRACE_MS / 2, grace: GRACE_MS, patience, tally },
    ...(site.restore === undefined ? {} : { restore: site.restore }),
  };
  const owners = Array.from({ length: many }, (_, n) => new Owner(registry, random.child(`owner ${n}`), `owner-${n}`));
  const stop = new AbortController();
  const working = Promise.all(owners.map((owner) => owner.work(stop.signal)));
  try {
    while (!isEnough(tally)) {
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
  return { tally, check };
}

/** One server on its own folder, which is killed repeatedly. @param more settings */
export async function embeddedSite(more: Readonly<Record<string, string>> = {}): Promise<Site> {
  const settings = { ...SETTINGS, STORAGE_PATH: temporaryFolder('collected'), PORT: String(freePort()), ...more };
  let server = await startServer(settings);
  let logs = '';
  return {
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
    restore: (repository, tag) => restoreIn(settings.STORAGE_PATH, repository as RepositoryName, tag as Tag),
  };
}

/** Three nodes and two workers, one of which is killed at times. @param more settings */
export async function clusterSite(more: Readonly<Record<string, string>> = {}): Promise<Site> {
  const cluster = await startCluster({ nodes: 3, workers: 2, env: { ...SETTINGS, ...more } });
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
  return {
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
}

/** Does the work of `marina restore` in this process, to save its start. */
async function restoreIn(folder: string, repo: RepositoryName, tag: Tag): Promise<'restored' | 'freed' | 'unanswered'> {
  try {
    const server = await ControlClient.connect(folder);
    const plan = await planRestore(await openFolderReadOnly(folder), repo, { kind: 'tag', tag }, undefined);
    if (plan.kind !== 'plan') throw new Error(`${repo} has no deleted tag ${tag}: ${plan.kind}`);
    if (server === undefined) return 'unanswered';
    await server.restore(repo, plan.restoration);
    return 'restored';
  } catch (error) {
    if (!(error instanceof RegistryError)) {
      // The server was killed in the meantime.
      if (error instanceof Error && 'code' in error) return 'unanswered';
      throw error;
    }
    if (error.kind === 'manifest-unknown') return 'freed';
    if (error.kind === 'unavailable') return 'unanswered';
    throw error;
  }
}
