import { readFileSync } from 'node:fs';
import { Cluster, type Redis } from 'ioredis';
import type { RedisAddress } from '../../projection/redis/address.ts';
import { openPersistentClient } from '../../projection/redis/persistent-client.ts';

/** A connection for jobs only: BullMQ cannot use one that has a deadline for each command. */
export type JobConnection = Redis | Cluster;

/** `ask`: for enqueueing; a command that cannot be sent now fails. `work`: for workers; commands wait until Redis is back. */
export type JobConnectionUse = 'ask' | 'work';

const CONNECT_MS = 5_000;
/**
 * A server that sends nothing for this long while a command is pending is considered hung. A worker's fetch blocks for up to
 * 10 s by design.
 */
const SILENCE_MS = { ask: 10_000, work: 30_000 } as const;
const RECONNECT_MS = { first: 50, longest: 2_000 } as const;

/** Connects and reconnects in the background. The queue or the workers report its errors. */
export function openJobConnection(
  address: RedisAddress,
  use: JobConnectionUse,
  options: { readonly caFile?: string } = {},
): JobConnection {
  const tls = options.caFile === undefined ? {} : { ca: readFileSync(options.caFile) };
  const { username, password, sentinelUsername, sentinelPassword } = address;
  const server = {
    // BullMQ's scripts expect replies of protocol 2.
    protocol: 2 as const,
    db: address.db,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS[use],
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: use === 'work',
    // The master was demoted: reconnect to find the new one.
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
        // A hung master keeps its connections open, so only the Sentinels announce the failover.
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
        // Certificates contain host names, not IP addresses.
        ...(address.tls ? { dnsLookup: (host, callback) => callback(null, host) } : {}),
      });
  }
}

function retryDelay(times: number): number {
  return Math.min(RECONNECT_MS.first * times, RECONNECT_MS.longest);
}

/** Every key begins with the store's ULID. The braces put all of them into one hash slot of a Redis Cluster. */
export function prefixOf(store: string): string {
  return `{marina:${store}}`;
}
