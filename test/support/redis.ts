// Real Redis servers of a test's own: one alone, with TLS, a Sentinel group, a Redis Cluster; on free ports, nothing on disk
// but in temporary folders. Tests that stop, flush or load them need no server of anybody else's.
import { join } from 'node:path';
import { run, tools } from './command.ts';
import { freePort, temporaryFolder } from './server.ts';
import { within } from './within.ts';

const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 5_000;

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

function spawn(binary: string, options: RedisOptions, mode: readonly string[] = []): RedisServer {
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
  const words = [...listen, ...(mode.length > 0 ? basic.slice(0, 3) : basic), ...settings].flatMap(
    ([name = '', ...values]) => [`--${name}`, ...values],
  );
  const subprocess = Bun.spawn([binary, ...mode, ...words], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' });
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
