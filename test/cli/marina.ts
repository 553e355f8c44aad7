// Runs the operator's commands as real processes, on data folders that a real server made.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Incarnation, RepositoryName } from '../../src/oci/names.ts';
import { dataKey, slotKey } from '../../src/storage/paths.ts';
import { attempt } from '../support/command.ts';
import { projectRoot, temporaryFolder } from '../support/server.ts';

export const marinaCommand: readonly string[] = [
  join(projectRoot, 'node_modules', '.bin', 'bun'),
  join(projectRoot, 'src', 'cli', 'main.ts'),
];

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly lines: readonly string[];
}

/** The actor of commands, and of servers for them, that run as this user. */
export const OPERATOR_HERE = `operator:${process.geteuid?.()}`;

/** The output and exit code of the command. */
export async function marina(dataPath: string, ...args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env: { STORAGE_PATH: dataPath } });
  const text = new TextDecoder().decode(stdout);
  return { code, stdout: text, stderr, lines: linesOf(text) };
}

export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** One line of `log --json`. */
export interface LoggedEvent {
  readonly seq: number;
  readonly at: string;
  readonly prev: string;
  readonly repo: string;
  readonly event: {
    readonly type: string;
    readonly digest?: string;
    readonly inc?: Incarnation;
    readonly tag?: string;
    readonly actor?: string;
  };
}

export async function eventsOf(dataPath: string, repo: string): Promise<LoggedEvent[]> {
  return (await marina(dataPath, 'log', repo, '--json')).lines.map((line) => JSON.parse(line));
}

/** The output of `fsck --json`. */
export interface Checked {
  readonly code: number;
  readonly findings: readonly FoundFault[];
  readonly faults: readonly FoundFault[];
  readonly summary: Summary;
}

export interface FoundFault {
  readonly severity: string;
  readonly problem: string;
  readonly repo?: string;
  readonly digest?: string;
  readonly slot?: number;
  readonly tag?: string;
  readonly message: string;
}

export interface Summary {
  readonly faults: number;
  readonly warnings: number;
  readonly repositories: number;
  readonly slots: number;
  readonly snapshots: number;
  readonly objects: number;
  readonly bytes: number;
  readonly verified: number;
  readonly orphans: { readonly count: number; readonly bytes: number } | null;
  readonly kept: { readonly count: number; readonly bytes: number } | null;
  readonly wrongHints: number | null;
}

export async function fsck(dataPath: string, ...args: readonly string[]): Promise<Checked> {
  const { code, lines, stderr } = await marina(dataPath, 'fsck', '--json', ...args);
  const last = lines.at(-1);
  if (last === undefined) throw new Error(`fsck printed nothing and ended with ${code}: ${stderr}`);
  const summary: Summary = JSON.parse(last);
  const findings: FoundFault[] = lines.slice(0, -1).map((line) => JSON.parse(line));
  return { code, findings, faults: findings.filter(({ severity }) => severity === 'fault'), summary };
}

/** A copy of a data folder, to be damaged. */
export function copyOf(dataPath: string): string {
  const copy = temporaryFolder('damaged');
  cpSync(dataPath, copy, { recursive: true });
  return copy;
}

export function slotPath(dataPath: string, repo: string, seq: number): string {
  return join(dataPath, slotKey(repo as RepositoryName, seq));
}

/** The file that holds the bytes of a digest, by the newest link to it in the repository's log. */
export async function objectPath(dataPath: string, repo: string, digest: string): Promise<string> {
  const linked = (await eventsOf(dataPath, repo)).findLast(({ event }) => event.digest === digest && 'inc' in event);
  if (linked?.event.inc === undefined) throw new Error(`the log of ${repo} does not link ${digest}`);
  return join(dataPath, dataKey(linked.event.inc));
}

/** Flips one bit of the byte at the offset. */
export function flipByte(path: string, offset: number): void {
  const bytes = readFileSync(path);
  const byte = bytes.at(offset);
  if (byte === undefined) throw new Error(`${path} has no byte ${offset}`);
  bytes[offset] = byte ^ 1;
  writeFileSync(path, bytes);
}
