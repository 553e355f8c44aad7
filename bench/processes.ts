// Linux's figures about a server and its descendants, which are included because work in helper processes also counts.
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

export interface Resident {
  total: number;
  anonymous: number;
  file: number;
}

function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children === '' ? [] : children.split(' ').flatMap((child) => familyOf(Number(child))))];
}

/** CPU seconds since the machine started: of all processes, and of this process with its children that have exited. */
interface Consumption {
  all: number;
  own: number;
}

export function consumption(): Consumption {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).map(Number) ?? [];
  const own = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ').slice(11, 15).map(Number) ?? [];
  return {
    all: (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND,
    own: own.reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND,
  };
}

/** User and system time of all threads so far, in seconds. */
export function processorSeconds(pid: number): number {
  return familyOf(pid).reduce((sum, member) => sum + secondsIn(`/proc/${member}/stat`), 0);
}

/** The most resident memory that a process has had, in MiB; undefined once it has ended. */
export function peakMiB(pid: number): number | undefined {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
}

/** Processes that together use less than this share of a core have nothing left to do. */
const REST_SHARE = 0.05;
const REST_WITHIN_MS = 120_000;

/** Waits until these processes have nothing left to do. @throws Error if that takes minutes */
export async function atRest(pids: readonly number[]): Promise<void> {
  const used = (): number => pids.reduce((sum, pid) => sum + processorSeconds(pid), 0);
  const deadline = performance.now() + REST_WITHIN_MS;
  for (let before = used(); ; ) {
    await Bun.sleep(1_000);
    const now = used();
    if (now - before < REST_SHARE) return;
    if (performance.now() > deadline) throw new Error('the servers do not come to rest');
    before = now;
  }
}

/** User and system time of the main thread so far, in seconds. */
export function mainThreadSeconds(pid: number): number {
  return secondsIn(`/proc/${pid}/task/${pid}/stat`);
}

function secondsIn(path: string): number {
  // The second field is a name that may contain spaces. After it, user and system time are the 12th and 13th fields.
  const fields = readFileSync(path, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory in MiB. */
export function residentOf(pid: number): Resident {
  const sum: Resident = { total: 0, anonymous: 0, file: 0 };
  for (const member of familyOf(pid)) {
    const status = readFileSync(`/proc/${member}/status`, 'utf8');
    const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
    sum.total += kib('VmRSS') / 1024;
    sum.anonymous += kib('RssAnon') / 1024;
    sum.file += (kib('RssFile') + kib('RssShmem')) / 1024;
  }
  return sum;
}
