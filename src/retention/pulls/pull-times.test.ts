import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { A, B } from '../../../test/support/registry.ts';
import { digestFromHex } from '../../oci/digest.ts';
import type { RepositoryName, Tag } from '../../oci/names.ts';
import { HOUR, PullTimes } from './pull-times.ts';

const DIGEST = digestFromHex('sha256', 'a'.repeat(64));
const tag = (name: string) => name as Tag;

const pulls = fc.array(
  fc.record({
    repo: fc.constantFrom<RepositoryName>(A, B),
    name: fc.constantFrom<string>('x', 'y', DIGEST),
    hour: fc.integer({ min: 1, max: 50 }),
  }),
  { maxLength: 30 },
);

type Pulls = readonly { readonly repo: RepositoryName; readonly name: string; readonly hour: number }[];

function timesOf(some: Pulls, most = 1_000): PullTimes {
  const times = new PullTimes(most);
  for (const { repo, name, hour } of some) times.note(repo, name, hour);
  return times;
}

/** When the tag may have been pulled last, by looking through all pulls: the end of the hour. */
function expected(some: Pulls, repo: RepositoryName, name: string): number {
  const hours = some.filter((each) => each.repo === repo && [name, DIGEST].includes(each.name)).map(({ hour }) => hour);
  return hours.length === 0 ? 0 : (Math.max(...hours) + 1) * HOUR;
}

const asked = [A, B].flatMap((repo) => ['x', 'y', 'z'].map((name) => [repo, tag(name)] as const));

describe('the times of pulls', () => {
  test('are the last ones, of the tag or of what it points to, however they are put together or stored', async () => {
    await fc.assert(
      fc.asyncProperty(pulls, pulls, async (some, others) => {
        const times = timesOf(some);
        times.merge(await PullTimes.decode(await timesOf(others).encode(), 1_000));
        const all = [...some, ...others];
        for (const [repo, name] of asked) expect(times.last(repo, name, DIGEST)).toBe(expected(all, repo, name));
        expect(times.isEmpty).toBe(all.length === 0);
      }),
    );
  });

  test('where there are too many to be told apart, rather say too late than too early', async () => {
    await fc.assert(
      fc.asyncProperty(pulls, pulls, fc.integer({ min: 0, max: 3 }), async (some, others, most) => {
        const times = timesOf(some, most);
        times.merge(await PullTimes.decode(await timesOf(others).encode(), most));
        for (const [repo, name] of asked) {
          const all = [...some, ...others];
          expect(times.last(repo, name, DIGEST)).toBeGreaterThanOrEqual(expected(all, repo, name));
          const newest = Math.max(-1, ...all.map(({ hour }) => hour));
          expect(times.last(repo, name, DIGEST)).toBeLessThanOrEqual((newest + 1) * HOUR);
        }
      }),
    );
  });

  test('without the old ones say that those were as late as they may have been', () => {
    fc.assert(
      fc.property(pulls, fc.integer({ min: 0, max: 50 }), (some, hour) => {
        const times = timesOf(some).since(hour);
        for (const [repo, name] of asked) {
          const last = expected(some, repo, name);
          expect(times.last(repo, name, DIGEST)).toBe(Math.max(last, hour * HOUR));
        }
      }),
    );
  });

  test('are nothing but what was encoded', async () => {
    for (const text of ['{}', '{"v":2,"floor":0,"all":0,"repositories":[]}', 'x'])
      await expect(PullTimes.decode(await Bun.zstdCompress(text), 10)).rejects.toThrow();
    await expect(PullTimes.decode(new TextEncoder().encode('{}'), 10)).rejects.toThrow();
  });
});
