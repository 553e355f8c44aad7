// After Redis lost everything, each of many repositories is right on its first touch, and soon.
import { expect, test } from 'bun:test';
import type { JournalEvent } from '../../src/journal/events.ts';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';
import { FEW } from '../support/generators.ts';
import { redisWorld, tagsOf } from '../support/redis-projections.ts';
import { slotsOf, writeLog } from '../support/slots.ts';

const world = redisWorld();
const REPOSITORIES = 1_000;
/** The first repository has half of all tags, the others share the rest. */
const [LARGE, SMALL] = [50_000, 50];
const SLOT = 250;
const FIRST_TOUCH_MS = 2_000;
const ROUNDS = 10;

function tagsFrom(count: number): JournalEvent[][] {
  const events = Array.from({ length: count }, (_, index): JournalEvent => {
    return { type: 'tag.set', tag: `t${String(index).padStart(6, '0')}` as Tag, digest: FEW.manifests[0] as Digest };
  });
  return Array.from({ length: Math.ceil(count / SLOT) }, (_, index) => events.slice(index * SLOT, (index + 1) * SLOT));
}

test('1,000 repositories with 100,000 tags are rebuilt on first access after FLUSHALL', async () => {
  const repos = Array.from(
    { length: REPOSITORIES },
    (_, index) => `r${String(index).padStart(4, '0')}` as RepositoryName,
  );
  const [large, small] = [tagsFrom(LARGE), tagsFrom(SMALL)];
  for (const [index, repo] of repos.entries()) {
    await writeLog(world.driver, slotsOf(index === 0 ? large : small, repo));
  }
  const [a, b] = [await world.node(), await world.node()];
  await tagsOf(a.projection, repos[1]);
  // Other load on the machine slows down some rounds; slow code is slow in all of them.
  let slowest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS && slowest >= FIRST_TOUCH_MS; round++) {
    await world.server.cli('FLUSHALL');
    slowest = 0;
    for (const [index, repo] of repos.entries()) {
      const { projection } = index % 2 === 0 ? a : b;
      const begin = performance.now();
      const page = await projection.tags(repo, undefined, 100_000);
      slowest = Math.max(slowest, performance.now() - begin);
      expect(page.kind === 'known' ? page.value.items.length : 0).toBe(index === 0 ? LARGE : SMALL);
    }
  }
  expect(slowest).toBeLessThan(FIRST_TOUCH_MS);
  const catalog = await a.projection.repositories(undefined, REPOSITORIES);
  expect(catalog).toEqual({ items: repos, more: false });
});
