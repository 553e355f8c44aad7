import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Reads a file of the kernel. @returns undefined if there is none */
export type ReadText = (path: string) => string | undefined;

/**
 * How many processors this process can keep busy: those of its affinity mask (taskset, cpuset), or fewer if the CPU limit of a control group
 * allows fewer. A fraction counts as none, because threads that nobody schedules make all others wait; the rest of a limit is used by the
 * threads that read, sync and hash files.
 * @returns at least 1
 */
export function processors(read: ReadText = readText, available: number = availableParallelism()): number {
  const limit = cpuLimit(read);
  return Math.max(1, Math.floor(limit === undefined ? available : Math.min(available, limit)));
}

const ROOT = '/sys/fs/cgroup';

/** The smallest limit of the process's control groups and of all groups around them, in processors. */
function cpuLimit(read: ReadText): number | undefined {
  // Lines like "0::/user.slice" (version 2) and "4:cpu,cpuacct:/docker/…" (version 1).
  const lines = (read('/proc/self/cgroup') ?? '').split('\n');
  const limits = lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const groups = groupsAround(path);
    if (controllers === '') return groups.map((group) => unifiedLimit(read(`${ROOT}${group}/cpu.max`)));
    if (!controllers.split(',').includes('cpu')) return [];
    // The mount is named after the controllers that it has; distributions link the short name to it.
    return [controllers, 'cpu'].flatMap((mount) =>
      groups.map((group) => {
        const folder = `${ROOT}/${mount}${group}`;
        return quotaLimit(read(`${folder}/cpu.cfs_quota_us`), read(`${folder}/cpu.cfs_period_us`));
      }),
    );
  });
  const known = limits.filter((limit) => limit !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/**
 * The group itself, those that contain it, and the root as ''. In a container, the path may be the host's: then only the root exists,
 * and is the container's group.
 */
function groupsAround(path: string): readonly string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return Array.from({ length: parts.length + 1 }, (_, end) =>
    parts
      .slice(0, end)
      .map((part) => `/${part}`)
      .join(''),
  );
}

/** "max 100000" or "150000 100000": microseconds in each period. */
function unifiedLimit(text: string | undefined): number | undefined {
  const [quota, period] = (text ?? '').trim().split(' ');
  return quotaLimit(quota, period);
}

function quotaLimit(quota: string | undefined, period: string | undefined): number | undefined {
  // No limit is "max", or -1.
  const [used, of] = [Number(quota), Number(period)];
  return used > 0 && of > 0 ? used / of : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Other systems have no such files, and a group need not have a limit.
    return undefined;
  }
}
