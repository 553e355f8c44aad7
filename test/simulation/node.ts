import { openAccess } from '../../src/access/access.ts';
import type { Incarnation } from '../../src/oci/names.ts';
import { MemoryProjection } from '../../src/projection/memory.ts';
import type { Projection } from '../../src/projection/projection.ts';
import { RedisProjection } from '../../src/projection/redis/projection.ts';
import { ContentCache } from '../../src/registry/content-cache.ts';
import { NO_POLICY } from '../../src/registry/policy.ts';
import { Registry } from '../../src/registry/registry.ts';
import { RedisSessions } from '../../src/sessions/redis-sessions.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { S3Driver } from '../../src/storage/s3/driver.ts';
import type { S3Settings } from '../../src/storage/s3/settings.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import type { Bug } from './bugs.ts';
import { Machine } from './machine.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { RedisGroup } from './redis.ts';
import { SimulatedRedis } from './redis-client.ts';
import type { SimulatedBucket } from './s3.ts';
import { simulatedClients } from './s3-client.ts';
import type { Scheduler } from './scheduler.ts';

export const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const HOUR_MS = 3_600_000;
/** So small that a few words are several parts. */
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

/** What the nodes of a cluster share. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly bucket: SimulatedBucket;
  readonly redis: RedisGroup;
  readonly network: Network;
  readonly bug: Bug;
  /** Hears of what the nodes do. @param key the first one of a script */
  readonly happened: (what: string, machine: Machine, key?: string) => void;
}

/** One process of the cluster, put together as src/wiring.ts does it, on ports that the simulation decides. */
export interface SimulatedNode {
  readonly machine: Machine;
  readonly projection: Projection;
  readonly registry: Registry;
}

/** @param number of the process, which no other one ever had */
export function startNode(number: number, around: Surroundings, random: Random): SimulatedNode {
  const { scheduler, bug } = around;
  const machine = new Machine(`node-${number}`, scheduler, random.between(-200, 200));
  const { now, sleep, repeat } = machine;
  const newId = countingIncarnations(now, number);
  const s3Ports = { now, sleep, random: random.next, newId, onRequest: () => {} };
  const s3 = new S3Driver(SETTINGS, s3Ports, simulatedClients(machine, around));
  const driver: StorageDriver = bug.driver?.(s3) ?? s3;
  const redis = new SimulatedRedis(machine, around, random.chance(0.5) ? 0 : random.between(0, 3_000));
  const writer = { driver, now, newId, sleep, reach: noCrash, node: machine.name, onAppend: () => {} };
  const fold = new MemoryProjection({ ...writer, budget: 1e9, onGrowth: () => {}, probe: true });
  const observer = { healed: () => {}, fellBack: () => {}, waitedForTurn: () => {} };
  const real = new RedisProjection({ ...writer, redis, store: STORE, fold, observer });
  const projection = bug.projection?.(real, fold) ?? real;
  const sessions = new RedisSessions({
    ...{ redis, store: STORE, driver, now, repeat },
    expiry: 24 * HOUR_MS,
    newToken: newId,
    randomBytes: (size) => Buffer.from(Array.from({ length: size }, () => random.between(0, 255))),
    failed: () => {},
  });
  const registry = new Registry({
    ...{ driver, projection, sessions, access: openAccess, now },
    cache: new ContentCache(1e6),
    newIncarnation: newId as () => Incarnation,
    grace: 24 * HOUR_MS,
    deletes: true,
    policy: NO_POLICY,
    // Bytes that were not dropped stay until they are collected.
    later: (_, work) => void work().catch(() => {}),
  });
  return { machine, projection, registry };
}
