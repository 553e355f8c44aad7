import { describe, expect, test } from 'bun:test';
import { availableParallelism } from 'node:os';
import { processors, type ReadText } from './processors.ts';

function files(texts: Readonly<Record<string, string>>): ReadText {
  return (path) => texts[path];
}

const V2 = { '/proc/self/cgroup': '0::/system.slice/marina.service\n' };
const V1 = { '/proc/self/cgroup': '12:memory:/a\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n' };

describe('the processors that the process may use', () => {
  test.each([
    ['without control groups', {}, 8],
    ['in a group without a limit', { ...V2, '/sys/fs/cgroup/system.slice/marina.service/cpu.max': 'max 100000\n' }, 8],
    ['in a group with a limit', { ...V2, '/sys/fs/cgroup/system.slice/marina.service/cpu.max': '300000 100000\n' }, 3],
    [
      'in a group with a limit that is higher than its own',
      { ...V2, '/sys/fs/cgroup/system.slice/cpu.max': '200000 50000', '/sys/fs/cgroup/cpu.max': '250000 100000' },
      2,
    ],
    [
      'with the limit of a group around its own',
      {
        ...V2,
        '/sys/fs/cgroup/system.slice/marina.service/cpu.max': '600000 100000',
        '/sys/fs/cgroup/system.slice/cpu.max': '400000 100000',
      },
      4,
    ],
    ['in a container', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '250000 100000\n' }, 2],
    ['with less than one', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '50000 100000\n' }, 1],
    ['with more than there are', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '6400000 100000\n' }, 8],
    [
      'in a group of version 1',
      {
        ...V1,
        '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us': '500000\n',
        '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us': '100000\n',
      },
      5,
    ],
    [
      'in a container of version 1',
      {
        ...V1,
        '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '200000\n',
        '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      },
      2,
    ],
    [
      'in a group of version 1 without a limit',
      {
        ...V1,
        '/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us': '100000\n',
      },
      8,
    ],
    ['with files that say nothing', { '/proc/self/cgroup': 'x\n0::/\n', '/sys/fs/cgroup/cpu.max': '\n' }, 8],
  ])('%s', (_, texts, expected) => {
    expect(processors(files(texts), 8)).toBe(expected);
  });

  test('are those of its affinity mask, if the system has such masks', () => {
    const script = "console.log((await import('./src/system/processors.ts')).processors())";
    const run = (...command: readonly string[]): number =>
      Number(Bun.spawnSync([...command, process.execPath, '-e', script], { cwd: `${import.meta.dir}/../..` }).stdout);
    const all = run();
    expect(all).toBeGreaterThanOrEqual(1);
    expect(all).toBeLessThanOrEqual(availableParallelism());
    if (process.platform === 'linux') expect(run('taskset', '-c', '0')).toBe(1);
  });
});
