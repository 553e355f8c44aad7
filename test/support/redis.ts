// Real Redis servers of a test's own: one alone, with TLS, a Sentinel group, a Redis Cluster; on free ports, nothing on disk
// but in temporary folders. Tests that stop, flush or load them need no server of anybody else's.
import { join } from 'node:path';
import { run, tools } from './command.ts';
import { freePort, temporaryFolder } from './server.ts';
import { within } from './within.ts';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Where it keeps dump.rdb, when it is told to SAVE. */
  readonly folder: string;
  readonly process: Bun.Subprocess;
  /** What redis-cli prints for this command, without the newline at its end. */
  cli(...command: readonly string[]): Promise<string>;
  /** SIGKILL, then waits. */
  kill(): Promise<void>;
  /** Stops answering and keeps its connections (SIGSTOP), until `thaw`. */
  freeze(): void;
  thaw(): void;
}

export interface RedisOptions {
  /** Of a server that was killed: its successor takes its place. */
  readonly port?: number;
  /** dump.rdb in it is loaded. */
  readonly folder?: string;
  /** As in redis.conf, without the dashes. */
  readonly settings?: readonly (readonly [string, ...string[]])[];
  readonly tls?: Certificates;
}

/** Files of a certificate authority of the test's own and of a certificate for 127.0.0.1 and localhost. */
export interface Certificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

const running = new Set<RedisServer>();

/** For afterAll: no server stays. Folders are removed by cleanUp of server.ts. */
export async function stopRedis(): Promise<void> {
  await Promise.all([...running].map((server) => server.kill()));
}

/** A server that evicts nothing and writes nothing by itself. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const [binary] = await tools('redis-server');
  for (let attempt = 1; ; attempt++) {
    const server = spawn(binary, options);
    if (await isReady(server)) return server;
    await server.kill();
    // Between freePort and the server's own listen another process may have been given the port.
    if (options.port !== undefined || attempt === 3) throw new Error(`${binary} was not ready in ${server.folder}`);
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
      if ((await within(STOP_WITHIN_MS, subprocess.exited)) === undefined) throw new Error(`${binary} does not end`);
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
    // Until it listens redis-cli fails, and while it loads a dump it says so: both are waited for.
    if ((await server.cli('PING').catch(() => '')) === 'PONG') return true;
    await Bun.sleep(20);
  }
  return false;
}

/** A master, a replica and three Sentinels that agree on a failover by two. */
export interface RedisGroup {
  readonly url: string;
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** Stops the master and waits until the replica is one. */
  failOver(): Promise<void>;
}

const GROUP = 'marina';
const FAILED_OVER_WITHIN_MS = 60_000;

/** @param settings of both servers: see RedisOptions */
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

/** Sentinels write into their file, and read nothing but that. */
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
  if (!(await isReady(sentinel))) throw new Error(`${binary} was not ready`);
  return sentinel;
}

export interface RedisCluster {
  readonly url: string;
  readonly servers: readonly RedisServer[];
}

/** Three masters that share the slots, without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  // The bus of each listens at its port + 10000.
  const start = async (): Promise<RedisServer> => {
    let port = freePort();
    while (port > 55_000) port = freePort();
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

/** Made with openssl, for a day. */
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
  // While servers elect, or do not know each other yet, redis-cli fails: that is waited for too.
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`in vain it was waited until ${what}`);
    await Bun.sleep(50);
  }
}
