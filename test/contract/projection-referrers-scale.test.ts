// The cost of a page of referrers depends on the page, not on the subject: 100,000 referrers, with a filter that none matches.
import { expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { openAccess } from '../../src/access/access.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import type { Digest, Incarnation } from '../../src/oci/names.ts';
import type { Projection } from '../../src/projection/projection.ts';
import { Listings } from '../../src/registry/listings.ts';
import { SealedPositions } from '../../src/registry/sealed-position.ts';
import { FEW } from '../support/generators.ts';
import { openProjection } from '../support/projections.ts';
import { manyDigests, redisWorld, tagsOf } from '../support/redis-projections.ts';
import { CALLER } from '../support/registry.ts';
import { REPO, slotsOf, writeLog } from '../support/slots.ts';

const world = redisWorld();
const REFERRERS = 100_000;
const SLOT = 250;
const FIRST_ANSWER_MS = 300;
const OTHERS_WAIT_MS = 50;
/** Other load on the machine slows down some rounds; slow code is slow in all of them. */
const ROUNDS = 20;
const [subject] = FEW.manifests as [Digest];

function put(digest: Digest, index: number): JournalEvent {
  const artifactType = index % 1000 === 0 ? 'application/x.rare' : 'application/x.common';
  const inc = ulid() as Incarnation;
  return { type: 'manifest.put', digest, size: 400, inc, mediaType: 'm', artifactType, subject, refs: [] };
}

async function plant(): Promise<Digest[]> {
  const digests = manyDigests(REFERRERS);
  // Inserted out of order, so that pages are not in order by chance.
  const events = digests.map((_, index) => digests[(index * 7_919) % REFERRERS] as Digest).map(put);
  const tagged: JournalEvent = { type: 'tag.set', tag: FEW.tags[0] as (typeof FEW.tags)[number], digest: subject };
  const batches = Array.from({ length: REFERRERS / SLOT }, (_, index) =>
    events.slice(index * SLOT, (index + 1) * SLOT),
  );
  await writeLog(world.driver, slotsOf([[tagged], ...batches]));
  return digests;
}

/** The longest time that another task of this process had to wait during the work. */
async function longestWait(work: Promise<unknown>): Promise<number> {
  let longest = 0;
  let isDone = false;
  const watched = work.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const begin = performance.now();
    await Bun.sleep(1);
    longest = Math.max(longest, performance.now() - begin);
  }
  await watched;
  return longest;
}

async function check(projection: Projection, digests: readonly Digest[]): Promise<void> {
  const listings = new Listings({
    projection,
    access: openAccess,
    positions: new SealedPositions('01ARZ3NDEKTSV4RRFFQ69G5FAV'),
  });
  const list = (artifactType: string | undefined, room = Number.POSITIVE_INFINITY, after?: Digest) => {
    let left = room;
    return listings.referrers(REPO, subject, { artifactType, after, fits: () => left-- > 0 }, CALLER);
  };
  let [slowest, waited] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS && (slowest > FIRST_ANSWER_MS || waited > OTHERS_WAIT_MS); round++) {
    const begin = performance.now();
    const listing = list('application/x.none').then((page) => {
      slowest = performance.now() - begin;
      return page;
    });
    waited = await longestWait(listing);
    expect(await listing).toEqual({ items: [], more: false });
    waited = Math.max(
      waited,
      await longestWait(list(undefined, 10_000)),
      await longestWait(list(undefined, 10_000, digests[50_000])),
    );
  }
  expect(slowest).toBeLessThanOrEqual(FIRST_ANSWER_MS);
  expect(waited).toBeLessThanOrEqual(OTHERS_WAIT_MS);
  const rare = await list('application/x.rare');
  expect(rare.items).toHaveLength(REFERRERS / 1000);
  const page = await list(undefined, 1_500, digests[70_000]);
  expect([page.more, ...page.items.map(({ digest }) => digest)]).toEqual([true, ...digests.slice(70_001, 71_501)]);
}

test('in memory', async () => {
  const digests = await plant();
  const projection = openProjection(world.driver);
  await tagsOf(projection);
  await check(projection, digests);
});

test('in Redis', async () => {
  const digests = await plant();
  const { projection } = await world.node();
  await tagsOf(projection);
  await check(projection, digests);
});
