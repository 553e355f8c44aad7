import { readFileSync } from 'node:fs';
import { Cluster, type Redis } from 'ioredis';
import type { RedisAddress } from '../../projection/redis/address.ts';
import { openPersistentClient } from '../../projection/redis/persistent-client.ts';

/** A connection for jobs alone: BullMQ must not share one that has a deadline for each command. */
export type JobConnection = Redis | Cluster;

/** `ask`: for whoever asks for jobs; what cannot be sent now fails now. `work`: for workers; it waits until Redis is back. */
export type JobConnectionUse = 'ask' | 'work';

const CONNECT_MS = 5_000;
/**
 * A server that says nothing for so long while it is asked is taken for hung. A worker's fetch is silent for up to 10 s by
 * itself.
 */
const SILENCE_MS = { ask: 10_000, work: 30_000 } as const;
const RECONNECT_MS = { first: 50, longest: 2_000 } as const;

/** Connects in the background, and again whenever the connection is lost. Its errors are the queue's or the workers' to tell. */
export function openJobConnection(
  address: RedisAddress,
  use: JobConnectionUse,
  options: { readonly caFile?: string } = {},
): JobConnection {
  const tls = options.caFile === undefined ? {} : { ca: readFileSync(options.caFile) };
  const { username, password, sentinelUsername, sentinelPassword } = address;
  const server = {
    // What BullMQ's scripts and their replies are made for.
    protocol: 2 as const,
    db: address.db,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS[use],
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: use === 'work',
    // The master became a replica: somebody else is the master now.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(address.tls ? { tls } : {}),
  };
  const common = { enableOfflineQueue: use === 'work', retryStrategy: retryDelay };
  const [first] = address.hosts;
  switch (address.kind) {
    case 'single':
      return openPersistentClient({ ...server, ...common, ...first });
    case 'sentinel':
      return openPersistentClient({
        ...server,
        ...common,
        sentinels: [...address.hosts],
        name: address.master,
        role: 'master',
        // A master that hangs keeps its connections: the Sentinels tell of the failover instead.
        failoverDetector: true,
        sentinelCommandTimeout: CONNECT_MS,
        sentinelRetryStrategy: retryDelay,
        enableTLSForSentinelMode: address.tls,
        ...(address.tls ? { sentinelTLS: tls } : {}),
        ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
        ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
      });
    case 'cluster':
      return new Cluster([...address.hosts], {
        redisOptions: server,
        enableOfflineQueue: use === 'work',
        scaleReads: 'master',
        slotsRefreshTimeout: CONNECT_MS,
        clusterRetryStrategy: retryDelay,
        // A certificate names hosts, not the addresses that they have.
        ...(address.tls ? { dnsLookup: (host, callback) => callback(null, host) } : {}),
      });
  }
}

function retryDelay(times: number): number {
  return Math.min(RECONNECT_MS.first * times, RECONNECT_MS.longest);
}

/** "Every key begins with the store's ULID"; the braces keep all of them on one node of a Redis Cluster. */
export function prefixOf(store: string): string {
  return `{marina:${store}}`;
}
