// Real Redis servers for a test: a single one, one with TLS, a Sentinel group, a Redis Cluster; on free ports, with files
// only in temporary folders. Tests may stop, flush or load them without affecting other tests.
import { join } from 'node:path';
import { run, tools } from './command.ts';
import { freePort, takePort, temporaryFolder } from './server.ts';
import { within } from './within.ts';

const READY_WITHIN_MS = 240_000;
const STOP_WITHIN_MS = 30_000;

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Where SAVE writes dump.rdb. */
  readonly folder: string;
  readonly process: Bun.Subprocess;
  /** The output of redis-cli for this command, without the final newline. */
  cli(...command: readonly string[]): Promise<string>;
  /** SIGKILL, then waits. */
  kill(): Promise<void>;
  /** Stops answering and keeps its connections (SIGSTOP), until `thaw`. */
  freeze(): void;
  thaw(): void;
}

export interface RedisOptions {
  /** The port of a killed server that this one replaces. */
  readonly port?: number;
  /** Its dump.rdb is loaded. */
  readonly folder?: string;
  /** As in redis.conf, without the dashes. */
  readonly settings?: readonly (readonly [string, ...string[]])[];
  readonly tls?: Certificates;
}

/** Files of a test certificate authority, and of its certificate for 127.0.0.1 and localhost. */
export interface Certificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

const running = new Set<RedisServer>();

/** For afterAll: kills all servers. cleanUp of server.ts removes their folders. */
export async function stopRedis(): Promise<void> {
  await Promise.all([...running].map((server) => server.kill()));
}

/** A server that evicts no keys and never saves on its own. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const [binary] = await tools('redis-server');
  for (let attempt = 1; ; attempt++) {
    const server = spawn(binary, options);
    if (await isReady(server)) return server;
    await server.kill();
    // Between freePort and the server's own listen another process may have been given the port.
    if (options.port !== undefined || attempt === 3)
      throw new Error(`${binary} did not become ready; see redis.log in ${server.folder}`);
  }
}

function spawn(binary: string, options: RedisOptions, settingsFile?: string): RedisServer {
  const { port = freePort(), folder = temporaryFolder('redis'), settings = [], tls } = options;
  const listen: readonly (readonly string[])[] =
    tls === undefined
      ? [['port', String(port)]]
      : [
          ['port', '0'],
          ['tls-port', String(port)],
          ['tls-cert-file', tls.certificate],
          ['tls-key-file', tls.key],
          ['tls-ca-cert-file', tls.ca],
          ['tls-auth-clients', 'no'],
        ];
  const basic = [
    ['bind', '127.0.0.1'],
    ['dir', folder],
    ['logfile', join(folder, 'redis.log')],
    ['save', ''],
    ['appendonly', 'no'],
    ['maxmemory-policy', 'noeviction'],
  ];
  const words =
    settingsFile === undefined
      ? [...listen, ...basic, ...settings].flatMap(([name = '', ...values]) => [`--${name}`, ...values])
      : [settingsFile];
  const subprocess = Bun.spawn([binary, ...words], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' });
  const secure = tls === undefined ? [] : ['--tls', '--cacert', tls.ca];
  const server: RedisServer = {
    url: `${tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}`,
    port,
    folder,
    process: subprocess,
    cli: async (...command) =>
      (await run([join(binary, '..', 'redis-cli'), '-p', String(port), ...secure, ...command])).trimEnd(),
    async kill() {
      subprocess.kill('SIGKILL');
      if ((await within(STOP_WITHIN_MS, subprocess.exited)) === undefined) throw new Error(`${binary} does not exit`);
      running.delete(server);
    },
    freeze: () => subprocess.kill('SIGSTOP'),
    thaw: () => subprocess.kill('SIGCONT'),
  };
  running.add(server);
  return server;
}

async function isReady(server: RedisServer): Promise<boolean> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && server.process.exitCode === null) {
    // redis-cli fails until the server listens, and prints LOADING while it loads a dump.
    if ((await server.cli('PING').catch(() => '')) === 'PONG') return true;
    await Bun.sleep(20);
  }
  return false;
}

/** A master, a replica and three Sentinels with a quorum of two. */
export interface RedisGroup {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** Kills the master and waits until the replica is promoted. */
  failOver(): Promise<void>;
}

const GROUP = 'marina';
const FAILED_OVER_WITHIN_MS = 60_000;

/** @param settings of both servers, as in RedisOptions */
export async function startRedisGroup(settings: RedisOptions['settings'] = []): Promise<RedisGroup> {
  const [binary] = await tools('redis-sentinel');
  const master = await startRedis({ settings });
  const replica = await startRedis({
    settings: [...settings, ['replicaof', '127.0.0.1', String(master.port)], ['repl-diskless-sync-delay', '0']],
  });
  const sentinels = await Promise.all(Array.from({ length: 3 }, () => startSentinel(binary, master.port)));
  await until('the replica follows and the Sentinels know each other', async () => {
    const linked = (await replica.cli('INFO', 'replication')).includes('master_link_status:up');
    const known = await Promise.all(sentinels.map((each) => each.cli('SENTINEL', 'CKQUORUM', GROUP)));
    const replicas = await Promise.all(sentinels.map((each) => each.cli('SENTINEL', 'REPLICAS', GROUP)));
    return linked && known.every((each) => each.startsWith('OK 3')) && replicas.every((each) => each !== '');
  });
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
  return {
    url: `redis+sentinel://${hosts}/${GROUP}`,
    master,
    replica,
    async failOver() {
      await master.kill();
      await until('the replica is the master', async () =>
        (await replica.cli('INFO', 'replication')).includes('role:master'),
      );
    },
  };
}

/** Sentinels rewrite their configuration file, and read no other settings. */
async function startSentinel(binary: string, master: number): Promise<RedisServer> {
  const [port, folder] = [freePort(), temporaryFolder('sentinel')];
  const file = join(folder, 'sentinel.conf');
  await Bun.write(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `logfile ${join(folder, 'sentinel.log')}`,
      `sentinel monitor ${GROUP} 127.0.0.1 ${master} 2`,
      `sentinel down-after-milliseconds ${GROUP} 1000`,
      `sentinel failover-timeout ${GROUP} 5000`,
    ].join('\n'),
  );
  const sentinel = spawn(binary, { port, folder }, file);
  if (!(await isReady(sentinel))) throw new Error(`${binary} did not become ready`);
  return sentinel;
}

export interface RedisCluster {
  readonly url: string;
  readonly servers: readonly RedisServer[];
}

/** Three masters that share the slots, without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  // The cluster bus of each listens on its port + 10000.
  const start = async (): Promise<RedisServer> => {
    let port = freePort();
    while (!takePort(port + 10_000)) port = freePort();
    return await startRedis({
      port,
      settings: [
        ['cluster-enabled', 'yes'],
        ['cluster-node-timeout', '2000'],
      ],
    });
  };
  const servers = await Promise.all([start(), start(), start()]);
  const [first] = servers as [RedisServer, RedisServer, RedisServer];
  const hosts = servers.map(({ port }) => `127.0.0.1:${port}`);
  await first.cli('--cluster', 'create', ...hosts, '--cluster-replicas', '0', '--cluster-yes');
  await until('all servers know the slots', async () => {
    const states = await Promise.all(servers.map((each) => each.cli('CLUSTER', 'INFO')));
    return states.every((each) => each.includes('cluster_state:ok'));
  });
  return { url: `redis+cluster://${hosts.join(',')}`, servers };
}

/** Made with openssl, valid for a day. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = temporaryFolder('certificates');
  const path = (name: string): string => join(folder, name);
  const [binary] = await tools('openssl');
  const openssl = (...words: string[]) => run([binary, ...words]);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-x509'];
  await openssl('req', ...key, '-keyout', path('ca.key'), '-out', path('ca.pem'), '-subj', '/CN=test authority');
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const signed = ['-CA', path('ca.pem'), '-CAkey', path('ca.key')];
  await openssl('req', ...key, ...signed, '-keyout', path('server.key'), '-out', path('server.pem'), ...names);
  return { ca: path('ca.pem'), certificate: path('server.pem'), key: path('server.key') };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + FAILED_OVER_WITHIN_MS;
  // redis-cli fails during an election, and until the servers know each other.
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${FAILED_OVER_WITHIN_MS} ms that ${what}`);
    await Bun.sleep(50);
  }
}
