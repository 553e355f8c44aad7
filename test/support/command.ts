// Runs external commands with a deadline, and locates the tools that the project provides for its tests.
import { join } from 'node:path';
import { projectRoot } from './server.ts';
import { within } from './within.ts';

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to the test process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; by default it is empty. */
  readonly input?: string;
  readonly timeoutMs?: number;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

const COMMAND_WITHIN_MS = 180_000;
const CLEAN_UP_WITHIN_MS = 5_000;

/** For a beforeAll that calls `tools`: if only some tests run (`npm test -- …`), that call builds or installs the tools. */
export const TOOLS_WITHIN_MS = 2_400_000;

/** The command's result, whatever its exit code. @throws Error only after the deadline */
export async function attempt(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const subprocess = Bun.spawn([...command], {
    cwd: options.cwd ?? projectRoot,
    env: { ...process.env, ...options.env },
    stdin: options.input === undefined ? 'ignore' : Buffer.from(options.input),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const finished = Promise.all([
    new Response(subprocess.stdout).bytes(),
    new Response(subprocess.stderr).text(),
    subprocess.exited,
  ]);
  const deadline = options.timeoutMs ?? COMMAND_WITHIN_MS;
  const inTime = await within(deadline, finished);
  if (inTime !== undefined) {
    const [stdout, stderr, code] = inTime;
    return { code, stdout, stderr };
  }
  // A script gets time to stop its children. Output that a grandchild still holds open is not waited for.
  subprocess.kill('SIGTERM');
  const late = await within(CLEAN_UP_WITHIN_MS, finished);
  subprocess.kill('SIGKILL');
  throw new Error(`${command.join(' ')}\nwas stopped after ${deadline} ms; its stderr:\n${late?.[1] ?? '?'}`);
}

/** Stdout of a command that must succeed. */
export async function run(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new TextDecoder().decode(await runBytes(command, options));
}

/** Stdout, byte for byte, of a command that must succeed. */
export async function runBytes(command: readonly string[], options: CommandOptions = {}): Promise<Uint8Array> {
  const result = await attempt(command, options);
  if (result.code !== 0) {
    const output = result.stderr + new TextDecoder().decode(result.stdout);
    throw new Error(`${command.join(' ')}\nended with exit code ${result.code}:\n${output}`);
  }
  return result.stdout;
}

/** Absolute paths of tools from the table in scripts/tools/lib.sh. @throws Error if one is unavailable */
export async function tools<const Names extends readonly string[]>(
  ...names: Names
): Promise<{ [Index in keyof Names]: string }>;
export async function tools(...names: string[]): Promise<string[]> {
  const paths = await run([join(projectRoot, 'scripts/tools/ensure.sh'), ...names], { timeoutMs: TOOLS_WITHIN_MS });
  return paths.trimEnd().split('\n');
}
