// The only folder that a run writes to, and the processes that it starts. The folder is removed and the processes are stopped when the
// bench ends, even after an error or a signal.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Child {
  pid: number;
  /** Resolves with the exit code (null after a signal) when the process has exited. */
  exited: Promise<number | null>;
  /** Sends SIGTERM, and SIGKILL if the process does not exit in time. */
  stop: () => Promise<void>;
  kill: () => Promise<void>;
}

const STOP_DEADLINE_MS = 10_000;

export class Place {
  readonly root: string;
  readonly #children = new Set<number>();
  #counter = 0;

  constructor(parent?: string) {
    const base = parent ?? tmpdir();
    mkdirSync(base, { recursive: true });
    this.root = mkdtempSync(join(base, 'marina-bench-'));
    process.on('exit', () => this.#clean());
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      process.on(signal, () => process.exit(code));
    }
  }

  /**
   * Creates a new folder under the root. One with many files should stay until the end of the run: ext4 without a journal does not reuse an
   * inode within minutes of its removal, and looks at all removed ones of a block group for each new file there. That made `cp -a` of
   * 10,000 images 14 times as slow, and everything else that creates files (docs/decisions/0102).
   */
  folder(label: string): string {
    this.#counter += 1;
    const path = join(this.root, `${this.#counter}-${label}`);
    mkdirSync(path);
    return path;
  }

  freeBytes(): number {
    const disk = statfsSync(this.root);
    return disk.bavail * disk.bsize;
  }

  /** Starts a server with its output in a file. This process would have to read a pipe while it measures. */
  spawn(command: string[], env: Record<string, string>, log: string, cwd?: string): Child {
    const out = openSync(log, 'a');
    const child = Bun.spawn(command, {
      env: { ...process.env, ...env },
      stdin: 'ignore',
      stdout: out,
      stderr: out,
      ...(cwd === undefined ? {} : { cwd }),
    });
    closeSync(out);
    const { pid } = child;
    this.#children.add(pid);
    const exited = child.exited.then(() => {
      this.#children.delete(pid);
      return child.exitCode;
    });
    return {
      pid,
      exited,
      stop: async () => {
        child.kill('SIGTERM');
        const late = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
        await exited;
        clearTimeout(late);
      },
      kill: async () => {
        child.kill('SIGKILL');
        await exited;
      },
    };
  }

  /** Runs a program until it exits. @param input text for its stdin @returns its stdout */
  async call(command: string[], input = '', env: Readonly<Record<string, string>> = {}): Promise<string> {
    const child = Bun.spawn(command, {
      env: { ...process.env, ...env },
      stdin: new Blob([input]),
      stdout: 'pipe',
      stderr: 'pipe',
    });
    this.#children.add(child.pid);
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    this.#children.delete(child.pid);
    if (code !== 0) {
      throw new Error(`${command[0]?.split('/').at(-1)} ended with ${code}: ${err.trim() || out.trim()}`);
    }
    return out;
  }

  #clean(): void {
    for (const pid of this.#children) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        // Only "no such process" is expected, if the process has exited and the event has not arrived yet.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) {
          console.error(error);
        }
      }
    }
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A port that was free a moment ago. Not all of the measured servers can pick a port and report it. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
