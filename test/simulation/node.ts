import { openAccess } from '../../src/access/access.ts';
import { Unanswered } from '../../src/oci/errors.ts';
import type { Incarnation, RepositoryName } from '../../src/oci/names.ts';
import { finish } from '../../src/oci/strict-json.ts';
import { MemoryProjection } from '../../src/projection/memory.ts';
import type { Projection } from '../../src/projection/projection.ts';
import { RedisProjection } from '../../src/projection/redis/projection.ts';
import { ContentCache } from '../../src/registry/content-cache.ts';
import { LogSessions } from '../../src/registry/log-sessions.ts';
import { NO_POLICY } from '../../src/registry/policy.ts';
import { SealedPositions } from '../../src/registry/sealed-position.ts';
import { type RandomBytes, SessionIds } from '../../src/registry/session-ids.ts';
import type { SessionStore } from '../../src/registry/sessions.ts';
import { StoreRegistry } from '../../src/registry/store-registry.ts';
import { RedisSessions } from '../../src/sessions/redis-sessions.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import type { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { dataKey } from '../../src/storage/paths.ts';
import { S3Driver } from '../../src/storage/s3/driver.ts';
import type { S3Settings } from '../../src/storage/s3/settings.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import type { Bug } from './bugs.ts';
import { type FeedBug, openFeedNode, type SimulatedFeed } from './feed/feed-node.ts';
import { Machine } from './machine.ts';
import type { Network } from './network.ts';
import { ObjectsDriver } from './objects-driver.ts';
import type { Random } from './random.ts';
import type { RedisGroup } from './redis.ts';
import { SimulatedRedis } from './redis-client.ts';
import type { SimulatedBucket } from './s3.ts';
import { simulatedClients } from './s3-client.ts';
import type { Scheduler } from './scheduler.ts';
import type { Setting } from './setting.ts';
import type { SharedProcess } from './threads/process.ts';

export const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
/** Small, so that a few words span several parts. */
const PART_SIZE = 16;
const SETTINGS: S3Settings = {
  bucket: 'bucket',
  region: undefined,
  endpoint: undefined,
  redirectEndpoint: undefined,
  prefix: undefined,
  forcePathStyle: undefined,
  ca: undefined,
  insecureSkipVerify: undefined,
  credentials: undefined,
  partSize: PART_SIZE,
  uploadBuffer: 8 * PART_SIZE,
};

/** The parts that the nodes of a cluster share. */
export interface NodeEnvironment {
  readonly setting: Setting;
  readonly scheduler: Scheduler;
  readonly bucket: SimulatedBucket;
  /** The objects of the bucket, for drivers without an S3 client. */
  readonly memory: MemoryDriver;
  readonly redis: RedisGroup;
  readonly network: Network;
  readonly bug: Bug;
  /** The nodes have a feed of changes, with this bug; undefined: they have none. */
  readonly feed: FeedBug | undefined;
  /** What nodes share that are threads of one process. */
  readonly process: SharedProcess | undefined;
  /** Called for each action of a node. @param key the first key of a script */
  readonly happened: (what: string, machine: Machine, key?: string) => void;
  /** Observes their decisions. */
  readonly watched: (projection: Projection) => Projection;
}

/** One process of the cluster, wired as in src/wiring.ts, on ports that the simulation controls. */
export interface SimulatedNode {
  readonly machine: Machine;
  readonly driver: StorageDriver;
  readonly projection: Projection;
  /** The views in this process. */
  readonly fold: MemoryProjection;
  readonly sessions: SessionStore;
  readonly registry: StoreRegistry;
  readonly newId: () => Incarnation;
  /** The newest slot that the views of this node show. */
  readonly newest: (repo: RepositoryName) => Promise<{ readonly seq: number }>;
  readonly feed: SimulatedFeed | undefined;
}

/** @param number of the process, never reused */
export function startNode(number: number, environment: NodeEnvironment, random: Random): SimulatedNode {
  const { scheduler, bug, setting } = environment;
  const machine = new Machine(`node-${number}`, scheduler, setting.clock(random, number));
  const { now, sleep } = machine;
  const newId = countingIncarnations(now, number);
  const real =
    setting.store === 's3' ? openS3(machine, environment, random, newId) : openObjects(machine, environment, random);
  const driver: StorageDriver = bug.driver?.(real) ?? real;
  // Opened below, because it asks the views.
  let feed: SimulatedFeed | undefined;
  const hint = (repo: RepositoryName, seq: number): void => feed?.hint(repo, seq);
  const writer = {
    ...{ now, newId, sleep, reach: noCrash, node: machine.name },
    driver: environment.feed?.logs?.(driver, hint) ?? driver,
    onAppend: (_: number, repo: RepositoryName, seq: number) => hint(repo, seq),
    onFound: hint,
  };
  const redis = new SimulatedRedis(machine, environment, random.chance(0.5) ? 0 : random.between(0, 3_000));
  const fold = new MemoryProjection({
    ...writer,
    budget: 1e9,
    onGrowth: () => {},
    onListingFailed: () => {},
    ...(environment.process === undefined ? { probe: true } : { heads: environment.process.headsOf(machine) }),
  });
  const observer = {
    ...{ healed: () => {}, malformed: raise, listingFailed: () => {} },
    ...{ fellBack: () => {}, waitedForTurn: () => {} },
  };
  const views =
    setting.views === 'redis' ? new RedisProjection({ ...writer, redis, store: STORE, fold, observer }) : fold;
  const projection = environment.watched(bug.projection?.(views, fold) ?? views);
  const sessions = openSessions({ machine, driver, redis, newId, setting, random });
  const registry = new StoreRegistry({
    ...{ driver, projection, access: openAccess, now },
    sessions: environment.process?.sessionsOf(machine) ?? sessions,
    openBlob: ({ inc }) => driver.open(dataKey(inc)),
    positions: new SealedPositions(STORE),
    cache: new ContentCache(1e6),
    newIncarnation: newId,
    grace: setting.grace,
    redirectFor: undefined,
    parse: (_, steps) => finish(steps),
    policy: NO_POLICY,
    // Bytes that were not dropped remain until they are collected.
    runInBackground: (_, work) => void work().catch(ignoreUnanswered),
  });
  const newest: SimulatedNode['newest'] = (repo) => views.newest(repo);
  if (environment.feed !== undefined)
    feed = openFeedNode({ machine, driver, redis, newId, newest, store: STORE, bug: environment.feed });
  return { machine, driver, projection, fold, sessions, registry, newId, newest, feed };
}

function openS3(
  machine: Machine,
  environment: NodeEnvironment,
  random: Random,
  newId: () => Incarnation,
): StorageDriver {
  const { now, sleep } = machine;
  const ports = { now, sleep, random: random.next, newId, onRequest: () => {} };
  return new S3Driver(SETTINGS, ports, simulatedClients(machine, environment));
}

function openObjects(machine: Machine, environment: NodeEnvironment, random: Random): StorageDriver {
  return new ObjectsDriver(machine, environment, random.child());
}

function openSessions(
  ports: Pick<SimulatedNode, 'machine' | 'driver' | 'newId'> & {
    readonly redis: SimulatedRedis;
    readonly setting: Setting;
    readonly random: Random;
  },
): SessionStore {
  const { machine, driver, redis, newId, setting, random } = ports;
  const { now, repeat } = machine;
  const randomBytes: RandomBytes = (size) => Buffer.from(Array.from({ length: size }, () => random.between(0, 255)));
  const common = {
    driver,
    now,
    repeat,
    expiry: setting.uploadExpiry,
    newToken: newId,
    failed: () => {},
    malformed: raise,
  };
  return setting.views === 'redis'
    ? new RedisSessions({ ...common, redis, store: STORE, randomBytes })
    : new LogSessions({ ...common, ids: new SessionIds(STORE, randomBytes), maxEndedIds: 100 });
}

/** Every other failure of work in the background is a defect, which ends the simulation. */
function ignoreUnanswered(error: unknown): void {
  if (!(error instanceof Unanswered)) throw error;
}

/** Only nodes write to the simulation's Redis. */
function raise(...error: readonly unknown[]): never {
  throw new Error('a value in Redis is malformed', { cause: error });
}
