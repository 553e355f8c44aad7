// The one folder that a run writes to, and the processes that it starts. Both are gone when the bench ends, however it ends.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Child {
  pid: number;
  /** Resolves with the exit code (null after a signal) when the process is gone. */
  exited: Promise<number | null>;
  /** SIGTERM, and SIGKILL when that is not obeyed in time. */
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

  /** A fresh folder under the root. */
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

  /** Starts a server whose output goes to a file: a pipe would need this process to read it while others are measured. */
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

  /** Runs a program to its end; its stdin gets the text, its stdout is the answer. */
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
        // Only "no such process" is expected: it ended between its exit and our hearing of it.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) {
          console.error(error);
        }
      }
    }
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A port that was free a moment ago; the servers measured here cannot all pick one and tell. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
