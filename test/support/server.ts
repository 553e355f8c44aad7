// Starts the registry as users run it: a separate process on a free port, with a temporary data folder.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SETTINGS } from '../../src/config.ts';
import { codeOf } from '../../src/system/error-code.ts';
import { expectNoSecrets } from './secrets.ts';
import { within } from './within.ts';

export const projectRoot = join(import.meta.dir, '..', '..');
const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
const READY_WITHIN_MS = 240_000;
// The server gives requests in flight 25 s to end; a shutdown that takes longer than this hangs.
const STOP_WITHIN_MS = 120_000;
const REMOVED_WITHIN_MS = 5_000;
/**
 * Below the ports that Linux gives to connections, and to servers that name none. Any process may be given one of those between
 * freePort and the server's own listen, or while a server that was killed is not there.
 */
const PORTS = { first: 11_000, last: 32_000 } as const;
/** TEST_THREADS=4 runs any test with servers of four threads, unless the test itself says how many. */
export const OF_THIS_RUN: Readonly<Record<string, string>> =
  process.env.TEST_THREADS === undefined ? {} : { THREADS: process.env.TEST_THREADS };

export interface Server {
  readonly url: string;
  /** What clients put before a repository's name: `127.0.0.1:<port>`. */
  readonly host: string;
  readonly port: number;
  readonly process: Bun.Subprocess;
  readonly dataPath: string;
  /** Everything that the server has written to stdout and stderr. */
  logs(): string;
  /** SIGTERM, then waits. A data folder that startServer made is removed. @returns the exit code @throws Error if a secret was logged */
  stop(): Promise<number>;
  /** SIGKILL, then waits. A data folder that the caller named in STORAGE_PATH stays, to start again on it. */
  kill(): Promise<void>;
}

const running = new Set<Server>();
const folders = new Set<string>();

/** A fresh folder; cleanUp removes it. */
export function temporaryFolder(purpose: string): string {
  const folder = mkdtempSync(join(tmpdir(), `marina-${purpose}-`));
  folders.add(folder);
  return folder;
}

/** Retries for a while: processes that are just ending (a daemon's child, the clean-up of a container) may still use it. */
export function removeFolder(folder: string): void {
  const deadline = Date.now() + REMOVED_WITHIN_MS;
  for (;;) {
    try {
      rmSync(folder, { recursive: true, force: true });
      break;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      Bun.sleepSync(50);
    }
  }
  folders.delete(folder);
}

/** For afterAll: stops all servers and removes all folders. @throws Error if a server did not end cleanly */
export async function cleanUp(): Promise<void> {
  const faults: string[] = [];
  for (const server of [...running]) {
    const code = await server.stop().catch((error: unknown) => void faults.push(String(error)));
    if (code !== undefined && code !== 0)
      faults.push(`the server ended with exit code ${code} after SIGTERM; its log:\n${server.logs()}`);
  }
  for (const folder of [...folders]) removeFolder(folder);
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

/** A port that was free a moment ago, and that no other test of this run has been given. */
export function freePort(): number {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * (PORTS.last - PORTS.first + 1));
    if (takePort(port)) return port;
  }
}

/** @returns false if freePort would not give this one */
export function takePort(port: number): boolean {
  return port >= PORTS.first && port <= PORTS.last && isFree(port) && reserve(port);
}

function isFree(port: number): boolean {
  try {
    Bun.listen({ hostname: '127.0.0.1', port, socket: { data: () => undefined } }).stop(true);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return false;
    throw error;
  }
}

/**
 * test/run.sh runs several processes of tests at once. Without this, two of them might be given the same port before a server listens
 * on it, and a test would take the server of the other for its own. @returns false if another process has reserved it
 */
function reserve(port: number): boolean {
  const folder = process.env.TEST_PORTS;
  if (folder === undefined) return true;
  try {
    closeSync(openSync(join(folder, String(port)), 'wx'));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Starts a server with these settings in addition to the tests' defaults, and waits until it is ready. */
export async function startServer(env: Readonly<Record<string, string>> = {}): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const server = spawnServer(env);
    try {
      await waitUntilReady(server);
      return server;
    } catch (error) {
      const portTaken = /EADDRINUSE|in use/.test(server.logs()) && env.PORT === undefined;
      await server.kill();
      // Between freePort and the server's own listen another process may have been given the port.
      if (!portTaken || attempt === 3) throw error;
    }
  }
}

function spawnServer(env: Readonly<Record<string, string>>): Server {
  const folder = temporaryFolder('server');
  const logPath = join(folder, 'registry.log');
  const settings = {
    HOST: '127.0.0.1',
    PORT: String(freePort()),
    STORAGE_PATH: join(folder, 'data'),
    // The default is in the checkout.
    BLOB_CACHE_PATH: join(folder, 'cache'),
    // As `npm start` sets it.
    UV_THREADPOOL_SIZE: env.IO_THREADS ?? SETTINGS.ioThreads.fallback,
    ...OF_THIS_RUN,
    ...env,
  };
  // A file, not a pipe: a test that blocks its own event loop (spawnSync) must not block the server's log.
  const log = openSync(logPath, 'a');
  const subprocess = Bun.spawn([bun, 'src/main.ts'], {
    cwd: projectRoot,
    // Nothing else is inherited: settings in the developer's shell must not affect the tests.
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', TMPDIR: tmpdir(), ...settings },
    stdin: 'ignore',
    stdout: log,
    stderr: log,
  });
  closeSync(log);

  let lastLogs = '';
  const readLogs = (): string => {
    if (folders.has(folder)) lastLogs = readFileSync(logPath, 'utf8');
    return lastLogs;
  };
  const ended = (): void => {
    readLogs();
    running.delete(server);
    removeFolder(folder);
    expectNoSecrets(lastLogs, 'the server');
  };
  const host = `127.0.0.1:${settings.PORT}`;
  const server: Server = {
    url: `${env.TLS_CERT_FILE === undefined ? 'http' : 'https'}://${host}`,
    host,
    port: Number(settings.PORT),
    process: subprocess,
    dataPath: settings.STORAGE_PATH,
    logs: readLogs,
    async stop() {
      subprocess.kill('SIGTERM');
      const code = await within(STOP_WITHIN_MS, subprocess.exited);
      if (code === undefined) {
        await server.kill();
        throw new Error(`the server was still running ${STOP_WITHIN_MS} ms after SIGTERM; its log:\n${lastLogs}`);
      }
      ended();
      return code;
    },
    async kill() {
      subprocess.kill('SIGKILL');
      await subprocess.exited;
      ended();
    },
  };
  running.add(server);
  return server;
}

async function waitUntilReady(server: Server): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  let seen = 'no answer';
  while (Date.now() < deadline) {
    if (server.process.exitCode !== null || server.process.signalCode !== null) {
      const how = server.process.signalCode ?? `exit code ${server.process.exitCode}`;
      throw new Error(`the server ended before it was ready (${how}); its log:\n${server.logs()}`);
    }
    try {
      const signal = AbortSignal.timeout(2_000);
      // Whether clients would trust its certificate is the tests' business.
      const response = await fetch(`${server.url}/readyz`, { signal, tls: { rejectUnauthorized: false } });
      await response.arrayBuffer();
      if (response.ok) return;
      seen = `status ${response.status}`;
    } catch (error) {
      // The connection is refused until it listens. The last reason is reported after the deadline.
      seen = String(error);
    }
    await Bun.sleep(20);
  }
  throw new Error(`the server was not ready within ${READY_WITHIN_MS} ms (${seen}); its log:\n${server.logs()}`);
}
