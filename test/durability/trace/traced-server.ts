import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SETTINGS } from '../../../src/config.ts';
import { tools } from '../../support/command.ts';
import { freePort, OF_THIS_RUN, projectRoot, temporaryFolder } from '../../support/server.ts';
import { within } from '../../support/within.ts';
import { TRACED } from './strace.ts';

const READY_WITHIN_MS = 240_000;
const STOP_WITHIN_MS = 120_000;
/** Enough for a request's line. */
const TEXT_BYTES = 300;

type Settings = Readonly<Record<string, string>>;
/** Each object is synced by itself. */
const SYNCED: Settings = { STORAGE_WRITE_AHEAD: 'false' };
export const AHEAD: Settings = { STORAGE_WRITE_AHEAD: 'true' };

export interface TracedServer {
  readonly url: string;
  readonly dataPath: string;
  readonly process: Bun.Subprocess;
  logs(): string;
  /** Stops the server. @returns the whole output of strace */
  finish(): Promise<string>;
}

/**
 * Starts the server under strace, which startServer cannot do.
 * @param existing a data folder; by default a new one, in a folder that does not exist either
 */
export function startTracedServer(existing?: string, settings: Settings = SYNCED): Promise<TracedServer> {
  return startUnder(['-s', String(TEXT_BYTES), '-e', `trace=${TRACED}`], existing, settings);
}

/** The server on a failing disk: each sync of exactly this file or folder fails with EIO. */
export function startWithFailingSync(
  dataPath: string,
  failing: string,
  settings: Settings = SYNCED,
): Promise<TracedServer> {
  const options = [
    '-P',
    join(dataPath, failing),
    '-e',
    'trace=fsync,fdatasync',
    '-e',
    'inject=fsync,fdatasync:error=EIO',
  ];
  return startUnder(options, dataPath, settings);
}

/** The same for each sync of the whole file system after the first. */
export function startWithFailingFileSystem(dataPath: string): Promise<TracedServer> {
  // With several threads the server would not start.
  return startUnder(['-e', 'trace=syncfs', '-e', 'inject=syncfs:error=EIO:when=2+'], dataPath, {
    ...AHEAD,
    THREADS: '1',
  });
}

async function startUnder(
  options: readonly string[],
  existing: string | undefined,
  settings: Settings,
): Promise<TracedServer> {
  const [strace] = await tools('strace');
  const folder = temporaryFolder('trace');
  const dataPath = existing ?? join(folder, 'made', 'data');
  const tracePath = join(folder, 'trace');
  const port = String(freePort());
  const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
  // -D: strace runs as a separate process, so that this subprocess is the server itself.
  const subprocess = Bun.spawn([strace, '-D', '-f', '-yy', ...options, '-o', tracePath, bun, 'src/main.ts'], {
    cwd: projectRoot,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      HOST: '127.0.0.1',
      PORT: port,
      STORAGE_PATH: dataPath,
      UV_THREADPOOL_SIZE: SETTINGS.ioThreads.fallback,
      // The checker also says which syncs are redundant, and threads confirm each other's slots.
      THREADS: '1',
      ...OF_THIS_RUN,
      ...settings,
    },
    stdin: 'ignore',
    stdout: Bun.file(join(folder, 'log')),
    stderr: Bun.file(join(folder, 'log')),
  });
  const logs = () => readFileSync(join(folder, 'log'), 'utf8');
  const url = `http://127.0.0.1:${port}`;
  await until(
    READY_WITHIN_MS,
    () => `the traced server did not become ready; its log:\n${logs()}`,
    () => isReady(url),
  );
  return {
    url,
    dataPath,
    process: subprocess,
    logs,
    async finish() {
      subprocess.kill('SIGTERM');
      const code = await within(STOP_WITHIN_MS, subprocess.exited);
      if (code !== 0) {
        subprocess.kill('SIGKILL');
        throw new Error(`the traced server ended with ${code} after SIGTERM; its log:\n${logs()}`);
      }
      // Process ids are padded to five columns.
      const ended = new RegExp(`^${subprocess.pid} +\\+\\+\\+ exited with 0`, 'm');
      const trace = () => readFileSync(tracePath, 'utf8');
      await until(
        STOP_WITHIN_MS,
        () => 'the trace is incomplete',
        async () => ended.test(trace()),
      );
      return trace();
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    // The connection is refused until the server listens; `until` has the deadline.
    return false;
  }
}

async function until(milliseconds: number, fault: () => string, met: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await met())) {
    if (Date.now() > deadline) throw new Error(fault());
    await Bun.sleep(20);
  }
}
