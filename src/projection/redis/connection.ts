import { readFileSync } from 'node:fs';
import { Cluster, type Redis } from 'ioredis';
import type { RedisAddress } from './address.ts';
import { type RedisCommands, RedisGone, type Reply, type Script, ScriptFailed } from './commands.ts';
import { openPersistentClient } from './persistent-client.ts';

/** No command is waited for longer, whatever happens to the connection meanwhile. */
const COMMAND_MS = 2_000;
const CONNECT_MS = 2_000;
/** A server that says nothing for so long while it is asked is taken for hung, and the connection is made anew. */
const SILENCE_MS = 2_500;
const RECONNECT_MS = { first: 50, longest: 1_000 } as const;

/** A Redis that must not be used, said in one line. */
export class RedisRefused extends Error {
  override readonly name = 'RedisRefused';
}

export interface RedisPorts {
  /** A file with the certificates to be trusted, PEM; undefined: those of the system. */
  readonly caFile?: string;
  /** A command ended: how long it took, in seconds, and whether there was an answer. */
  readonly onCommand: (script: string, seconds: number, ok: boolean) => void;
  /** The connection broke or could not be made; it is tried again. */
  readonly onConnectionError: (error: unknown) => void;
}

export interface RedisConnection extends RedisCommands {
  /**
   * Waits until there is a connection.
   * @returns false when there is none within that time (milliseconds): it is tried further
   * @throws RedisRefused where the server is too old, or is seen to evict keys when its memory is full
   */
  ready(within: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Connects in the background, and again whenever the connection is lost. */
export function connectRedis(address: RedisAddress, ports: RedisPorts): RedisConnection {
  const client = address.kind === 'cluster' ? openCluster(address, ports) : openServer(address, ports);
  client.on('error', ports.onConnectionError);
  return new Connection(client, ports);
}

class Connection implements RedisConnection {
  readonly #client: Redis | Cluster;
  readonly #ports: RedisPorts;

  constructor(client: Redis | Cluster, ports: RedisPorts) {
    this.#client = client;
    this.#ports = ports;
  }

  async evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    const begin = performance.now();
    let ok = false;
    try {
      const reply = await answered(this.#run(script, keys, args));
      ok = true;
      return reply;
    } catch (error) {
      throw asGone(script, error);
    } finally {
      this.#ports.onCommand(script.name, (performance.now() - begin) / 1000, ok);
    }
  }

  async #run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Reply> {
    try {
      return (await this.#client.evalsha(script.sha, keys.length, ...keys, ...args)) as Reply;
    } catch (error) {
      // The server is a new one, or was told to forget its scripts.
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
    const servers = client instanceof Cluster ? client.nodes('master') : [client];
    await refuseOld(servers);
    await refuseEviction(servers);
    return true;
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }
}

/** Scripts that begin with `#!lua`, which replicas and isolated masters refuse, are known since Redis 7. */
async function refuseOld(servers: readonly Redis[]): Promise<void> {
  for (const server of servers) {
    const info = await answered(server.info('server')).catch(() => '');
    const version = /^redis_version:(\d+)\S*/m.exec(info);
    if (version !== null && Number(version[1]) < 7) {
      throw new RedisRefused(`Redis is of version ${version[0].split(':')[1]}: Marina needs 7.0 or later`);
    }
  }
}

/** "Redis must run with `noeviction`": a half evicted view would be believed. */
async function refuseEviction(servers: readonly Redis[]): Promise<void> {
  for (const server of servers) {
    // Managed services forbid CONFIG: then nobody can see it from here, and the documentation has to do.
    const setting = await answered(server.config('GET', 'maxmemory-policy')).catch(() => undefined);
    const policy = Array.isArray(setting) ? setting[1] : undefined;
    if (typeof policy !== 'string' || policy === 'noeviction') continue;
    throw new RedisRefused(
      `Redis has maxmemory-policy ${policy}: it may drop parts of the views. Set it to noeviction`,
    );
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
    // A master that hangs keeps its connections: the Sentinels tell of the failover instead.
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
    // Never from replicas.
    scaleReads: 'master',
    slotsRefreshTimeout: COMMAND_MS,
    slotsRefreshInterval: 5_000,
    clusterRetryStrategy: retryDelay,
    // While slots have no server the answer comes from storage: it should not have to wait for long.
    maxRedirections: 5,
    // A certificate names hosts, not the addresses that they have.
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
    // A command whose answer was lost is decided on by who sent it, not repeated behind their back.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The master became a replica: somebody else is the master now.
    reconnectOnError: (error: Error) => codeOf(error) === 'READONLY',
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls ? { tls: tlsOptions(ports) } : {}),
  };
}

function tlsOptions({ caFile }: RedisPorts): { ca?: Buffer } {
  return caFile === undefined ? {} : { ca: readFileSync(caFile) };
}

/** Within COMMAND_MS, even where the client itself would go on trying. */
async function answered<T>(reply: Promise<T>): Promise<T> {
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

/** The word that an error of Redis begins with. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'ReplyError' ? error.message.split(' ', 1)[0] : undefined;
}

/** Values of a wrong type, or words that are no numbers, fail the script. Everything else is the server's state, and transient. */
function asGone(script: Script, error: unknown): unknown {
  if (error instanceof RedisGone) return error;
  const code = codeOf(error);
  if (code === 'ERR' || code === 'WRONGTYPE' || code === 'CROSSSLOT') {
    return new ScriptFailed(`the script ${script.name} failed`, { cause: error });
  }
  return new RedisGone(`Redis did not run ${script.name}`, { cause: error });
}
