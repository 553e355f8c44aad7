import { readFileSync } from 'node:fs';
import { Cluster, type Redis } from 'ioredis';
import type { RedisAddress } from './address.ts';
import { type RedisCommands, RedisGone, type Reply, type Script, ScriptFailed } from './commands.ts';
import { openPersistentClient } from './persistent-client.ts';

/** Deadline of each command, whatever happens to the connection. */
const COMMAND_MS = 2_000;
const CONNECT_MS = 2_000;
/** A server that sends nothing for this long while a command is pending is considered hung, and the connection is reset. */
const SILENCE_MS = 2_500;
const MIN_MAJOR_VERSION = 7;
const RECONNECT_MS = { first: 50, longest: 1_000 } as const;

/** This Redis must not be used; the message is one line. */
export class RedisRefused extends Error {
  override readonly name = 'RedisRefused';
}

/** What Redis must be, and may not say. */
export type Unchecked = 'version' | 'maxmemory-policy';

export interface RedisPorts {
  /** PEM file with the trusted certificates; undefined: the system's. */
  readonly caFile?: string;
  /** A command ended: its duration in seconds, and whether it was answered. */
  readonly onCommand: (script: string, seconds: number, ok: boolean) => void;
  /** The connection failed; it is retried. */
  readonly onConnectionError: (error: unknown) => void;
  /** A server does not say how it is set up, for example because the user may not run CONFIG. Called once for each `what`. */
  readonly onUnchecked: (what: Unchecked, error: unknown) => void;
}

export interface RedisConnection extends RedisCommands {
  /**
   * Waits for a connection.
   * @returns false if there is none within the given time (milliseconds); connecting continues
   * @throws RedisRefused if the server is too old, or is known to evict keys when its memory is full
   */
  ready(within: number): Promise<boolean>;
  /**
   * Resolves once Redis has answered; in a Redis Cluster, every master.
   * @throws Error without an answer within 2 seconds
   */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Connects and reconnects in the background. */
export function connectRedis(address: RedisAddress, ports: RedisPorts): RedisConnection {
  const client = address.kind === 'cluster' ? openCluster(address, ports) : openServer(address, ports);
  client.on('error', ports.onConnectionError);
  return new Connection(client, ports);
}

class Connection implements RedisConnection {
  readonly #client: Redis | Cluster;
  readonly #ports: RedisPorts;
  readonly #unchecked = new Set<Unchecked>();

  constructor(client: Redis | Cluster, ports: RedisPorts) {
    this.#client = client;
    this.#ports = ports;
  }

  async evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    const begin = performance.now();
    let ok = false;
    try {
      const reply = await withDeadline(this.#run(script, keys, args));
      ok = true;
      return reply;
    } catch (error) {
      throw toRedisError(script, error);
    } finally {
      this.#ports.onCommand(script.name, (performance.now() - begin) / 1000, ok);
    }
  }

  async #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    try {
      return (await this.#client.evalsha(script.sha, keys.length, ...keys, ...args)) as Reply;
    } catch (error) {
      // The server restarted, or its script cache was flushed.
      if (codeOf(error) !== 'NOSCRIPT') throw error;
      return (await this.#client.eval(script.source, keys.length, ...keys, ...args)) as Reply;
    }
  }

  async ready(within: number): Promise<boolean> {
    const client = this.#client;
    const deadline = performance.now() + within;
    while (client.status !== 'ready') {
      if (performance.now() >= deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const servers = this.#servers();
    for (const server of servers) {
      await this.#refuseOld(server);
      await this.#refuseEviction(server);
    }
    return true;
  }

  async ping(): Promise<void> {
    await withDeadline(Promise.all(this.#servers().map((server) => server.ping())));
  }

  #servers(): readonly Redis[] {
    return this.#client instanceof Cluster ? this.#client.nodes('master') : [this.#client];
  }

  /** Only Redis 7 knows scripts that begin with `#!lua`, which replicas and isolated masters refuse. */
  async #refuseOld(server: Redis): Promise<void> {
    // An old server whose version is unknown refuses the first script.
    const info = await this.#told('version', server.info('server'));
    const version = /^redis_version:(\d+)\S*/m.exec(info ?? '');
    if (version !== null && Number(version[1]) < MIN_MAJOR_VERSION) {
      throw new RedisRefused(`Redis is of version ${version[0].split(':')[1]}: Marina needs 7.0 or later`);
    }
  }

  /** Redis must run with `noeviction`, because a partly evicted view would look complete. */
  async #refuseEviction(server: Redis): Promise<void> {
    const setting: unknown = await this.#told('maxmemory-policy', server.config('GET', 'maxmemory-policy'));
    const policy: unknown = Array.isArray(setting) ? setting[1] : undefined;
    if (typeof policy !== 'string' || policy === 'noeviction') return;
    throw new RedisRefused(
      `Redis has maxmemory-policy ${policy}: it may drop parts of the views. Set it to noeviction`,
    );
  }

  /** @returns undefined if the server does not say it: managed services and ACLs may forbid CONFIG */
  async #told<T>(what: Unchecked, reply: Promise<T>): Promise<T | undefined> {
    try {
      return await withDeadline(reply);
    } catch (error) {
      if (!this.#unchecked.has(what)) this.#ports.onUnchecked(what, error);
      this.#unchecked.add(what);
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }
}

function retryDelay(times: number): number {
  return Math.min(RECONNECT_MS.first * times, RECONNECT_MS.longest);
}

function openServer(address: RedisAddress, ports: RedisPorts): Redis {
  const [first] = address.hosts;
  const common = {
    ...serverOptions(address, ports),
    enableOfflineQueue: false,
    retryStrategy: retryDelay,
  };
  if (address.kind === 'single') return openPersistentClient({ ...common, ...first });
  return openPersistentClient({
    ...common,
    sentinels: [...address.hosts],
    name: address.master,
    role: 'master',
    // A hung master keeps its connections open, so only the Sentinels announce the failover.
    failoverDetector: true,
    sentinelCommandTimeout: COMMAND_MS,
    sentinelRetryStrategy: retryDelay,
    enableTLSForSentinelMode: address.tls,
    ...(address.tls ? { sentinelTLS: tlsOptions(ports) } : {}),
    ...(address.sentinelUsername === undefined ? {} : { sentinelUsername: address.sentinelUsername }),
    ...(address.sentinelPassword === undefined ? {} : { sentinelPassword: address.sentinelPassword }),
  });
}

function openCluster(address: RedisAddress, ports: RedisPorts): Cluster {
  return new Cluster([...address.hosts], {
    redisOptions: serverOptions(address, ports),
    enableOfflineQueue: false,
    // Never read from replicas.
    scaleReads: 'master',
    slotsRefreshTimeout: COMMAND_MS,
    slotsRefreshInterval: 5_000,
    clusterRetryStrategy: retryDelay,
    // While a hash slot has no server, reads fall back to storage, so they should not wait long for it.
    maxRedirections: 5,
    // Certificates contain host names, not IP addresses.
    ...(address.tls ? { dnsLookup: (host, callback) => callback(null, host) } : {}),
  });
}

function serverOptions(address: RedisAddress, ports: RedisPorts) {
  return {
    protocol: 2 as const,
    db: address.db,
    commandTimeout: COMMAND_MS,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    // The caller decides what to do about a command whose answer was lost; the client must not resend it.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The master was demoted: reconnect to find the new one.
    reconnectOnError: (error: Error) => codeOf(error) === 'READONLY',
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls ? { tls: tlsOptions(ports) } : {}),
  };
}

function tlsOptions({ caFile }: RedisPorts): { ca?: Buffer } {
  return caFile === undefined ? {} : { ca: readFileSync(caFile) };
}

/** Rejects after COMMAND_MS, even if the client itself would keep trying. */
async function withDeadline<T>(reply: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RedisGone(`no answer within ${COMMAND_MS} ms`)), COMMAND_MS);
  });
  try {
    return await Promise.race([reply, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** The code at the start of a Redis error. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'ReplyError' ? error.message.split(' ', 1)[0] : undefined;
}

/** Values of a wrong type, or text where a number is expected, fail the script. All other errors are the server's state: transient. */
function toRedisError(script: Script, error: unknown): unknown {
  if (error instanceof RedisGone) return error;
  const code = codeOf(error);
  if (code === 'ERR' || code === 'WRONGTYPE' || code === 'CROSSSLOT') {
    return new ScriptFailed(`the script ${script.name} failed`, { cause: error });
  }
  return new RedisGone(`Redis did not run ${script.name}`, { cause: error });
}
