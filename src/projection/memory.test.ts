import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Fault, FaultyDriver, TestClock } from '../../test/support/deterministic.ts';
import { FEW } from '../../test/support/generators.ts';
import { HUGE_BUDGET, openProjection, REPOSITORIES } from '../../test/support/projections.ts';
import { ScheduledDriver } from '../../test/support/scheduled.ts';
import { REPO, slotsOf, writeLog } from '../../test/support/slots.ts';
import { setTags } from '../../test/support/writers.ts';
import { accept, refuse } from '../journal/command.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName, Tag } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { markerKey, slotKey } from '../storage/paths.ts';
import type { MemoryProjection } from './memory.ts';
import type { Projection } from './projection.ts';

const [digest] = FEW.manifests as [(typeof FEW.manifests)[number]];

async function tagsOf(projection: Projection, repo: RepositoryName): Promise<string[]> {
  const answer = await projection.tags(repo, undefined, 1000);
  return answer.kind === 'known' ? [...answer.value.items] : ['unknown'];
}

/** The tags that the clients of a plan sent to a repository. */
function sentTo(repo: RepositoryName, plan: readonly (readonly { readonly repo: RepositoryName }[])[]): string[] {
  const sent = plan.flatMap((each, number) =>
    each.flatMap((visit, index) => (visit.repo === repo ? [`${number}-${index}`] : [])),
  );
  return sent.length === 0 ? ['unknown'] : sent.sort();
}

/** Sends its tags one after another, each followed by a look from outside that must show it. */
async function client(
  projection: Projection,
  number: number,
  plan: readonly { readonly repo: RepositoryName }[],
): Promise<void> {
  for (const [index, { repo }] of plan.entries()) {
    const tag = `${number}-${index}`;
    await projection.submit(repo, setTags(tag));
    expect(await tagsOf(projection, repo)).toContain(tag);
  }
}

describe('with too little memory', () => {
  const plans = fc.array(fc.array(fc.record({ repo: fc.constantFrom(...REPOSITORIES) }), { maxLength: 4 }), {
    minLength: 2,
    maxLength: 4,
  });

  test('no write is lost and no answer is stale, in whatever order storage answers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        plans,
        fc.constantFrom(0, 3_000, HUGE_BUDGET),
        async (scheduler, plan, budget) => {
          const driver = new ScheduledDriver(scheduler);
          const projection = openProjection(driver, { budget });
          await scheduler.waitFor(Promise.all(plan.map((each, number) => client(projection, number, each))));
          for (const repo of REPOSITORIES) {
            expect(await scheduler.waitFor(tagsOf(projection, repo))).toEqual(sentTo(repo, plan));
            const reopened = openProjection(driver, { budget });
            expect(await scheduler.waitFor(tagsOf(reopened, repo))).toEqual(sentTo(repo, plan));
          }
        },
      ),
    );
  });

  const visit = fc.record({ repo: fc.constantFrom(...REPOSITORIES), pause: fc.nat({ max: 12 }), looks: fc.boolean() });
  const visits = fc.array(fc.array(visit, { maxLength: 6 }), { minLength: 2, maxLength: 6 });

  test('the same if storage answers at once and clients arrive at any moment', async () => {
    await fc.assert(
      fc.asyncProperty(visits, fc.constantFrom(0, 2_500, 5_000), async (plan, budget) => {
        const projection = openProjection(new MemoryDriver(), { budget });
        const clients = plan.map(async (each, number) => {
          for (const [index, { repo, pause, looks }] of each.entries()) {
            for (let tick = 0; tick < pause; tick++) await Promise.resolve();
            await projection.submit(repo, setTags(`${number}-${index}`));
            if (looks) expect(await tagsOf(projection, repo)).toContain(`${number}-${index}`);
          }
        });
        await Promise.all(clients);
        for (const repo of REPOSITORIES) expect(await tagsOf(projection, repo)).toEqual(sentTo(repo, plan));
      }),
      { numRuns: 300 },
    );
  }, 300_000);

  test('the least recently used repositories are evicted first, and none that is being written', async () => {
    const driver = new MemoryDriver();
    const [a, b, c] = REPOSITORIES as [RepositoryName, RepositoryName, RepositoryName];
    const reads: Key[] = [];
    const read = driver.read.bind(driver);
    driver.read = (key) => {
      reads.push(key);
      return read(key);
    };
    const projection = openProjection(driver, { budget: 5_000 });
    for (const repo of [a, b]) await projection.submit(repo, setTags('x'));
    await tagsOf(projection, a);
    await projection.submit(c, setTags('x'));
    expect(projection.size).toBe(2);
    reads.length = 0;
    await tagsOf(projection, a);
    await tagsOf(projection, c);
    expect(reads).toEqual([]);
    await tagsOf(projection, b);
    expect(reads).toEqual([slotKey(b, 1), slotKey(b, 2)]);
  });

  test('the weight stays within the budget, except for one repository in use', async () => {
    const projection = openProjection(new MemoryDriver(), { budget: 10_000 });
    for (let round = 0; round < 20; round++) {
      for (const repo of REPOSITORIES) {
        await projection.submit(repo, setTags(`t${round}`, ...Array.from({ length: round }, (_, i) => `x${i}`)));
        const { state } = await projection.resident(repo);
        expect(projection.weight).toBeLessThanOrEqual(Math.max(10_000, state.weight));
        expect(projection.weight).toBeGreaterThanOrEqual(state.weight);
      }
    }
  });

  test('names that are only read take no memory', async () => {
    const projection = openProjection(new MemoryDriver());
    for (let index = 0; index < 50; index++) await tagsOf(projection, `r${index}` as RepositoryName);
    expect([projection.size, projection.weight]).toEqual([0, 0]);
  });
});

describe('the catalog', () => {
  async function catalogOf(projection: MemoryProjection): Promise<string[]> {
    return [...(await projection.repositories(undefined, 100)).items];
  }

  test('has no deleted repository, also after a restart, until it is written again', async () => {
    const driver = new MemoryDriver();
    const projection = openProjection(driver);
    for (const repo of REPOSITORIES) await projection.submit(repo, setTags('x'));
    for (const repo of ['a', 'b'] as RepositoryName[]) {
      await projection.submit(repo, { decide: () => accept(undefined, { type: 'repo.deleted' }) });
    }
    for (const each of [projection, openProjection(driver), openProjection(driver, { budget: 0 })]) {
      expect(await catalogOf(each)).toEqual(['a-b', 'a/b']);
      expect(await each.repositories('a', 1)).toEqual({ items: ['a-b' as RepositoryName], more: true });
    }
    await projection.submit('b' as RepositoryName, setTags('again'));
    expect(await catalogOf(projection)).toEqual(['a-b', 'a/b', 'b']);
  });

  test('pages are full and in order if most repositories are deleted', async () => {
    const driver = new MemoryDriver();
    const names = Array.from({ length: 120 }, (_, index) => `r${String(index).padStart(3, '0')}` as RepositoryName);
    for (const [index, repo] of names.entries()) {
      const deleted = index % 10 === 0 ? [] : [[{ type: 'repo.deleted' as const }]];
      await writeLog(driver, slotsOf([[{ type: 'tag.set', tag: 'x' as Tag, digest }], ...deleted], repo));
    }
    const projection = openProjection(driver, { budget: 0 });
    const walked: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await projection.repositories(after, 5);
      walked.push(...page.items);
      expect(page.items.length === 5 || !page.more).toBe(true);
      if (!page.more) break;
      after = page.items[page.items.length - 1];
    }
    expect(walked).toEqual(names.filter((_, index) => index % 10 === 0));
  });

  test('ignores markers of repositories that were never written, and other files', async () => {
    const driver = new MemoryDriver();
    await driver.create(markerKey('never' as RepositoryName), new Uint8Array());
    await driver.put('catalog/.DS_Store', new Uint8Array());
    expect(await catalogOf(openProjection(driver))).toEqual([]);
  });

  test('is listed again after a failure', async () => {
    const driver = new MemoryDriver();
    await writeLog(driver, slotsOf([[{ type: 'tag.set', tag: 'x' as Tag, digest }]]));
    const list = driver.list.bind(driver);
    driver.list = () => {
      throw new Error('no answer');
    };
    const projection = openProjection(driver);
    expect(await catalogOf(projection).catch(String)).toBe('Error: no answer');
    driver.list = list;
    expect(await catalogOf(projection)).toEqual([REPO]);
  });

  test('has a repository whose unconfirmed first write is found by a refused command', async () => {
    const clock = new TestClock();
    let fault: Fault = 'none';
    const driver = new FaultyDriver((key) => (key === slotKey(REPO, 1) ? fault : 'none'));
    const read = driver.read.bind(driver);
    const projection = openProjection(driver, { clock });
    expect(await catalogOf(projection)).toEqual([]);
    fault = 'after writing';
    driver.read = (key) => (fault === 'none' ? read(key) : Promise.reject(new Error('no answer')));
    // The fold of the empty log comes before the fault: what is lost is only the answer to the write.
    const begun = tagsOf(projection, REPO);
    fault = 'none';
    await begun;
    let decided = 0;
    const lost = projection.submit(REPO, {
      decide: () => {
        fault = 'after writing';
        decided++;
        return accept(undefined, { type: 'tag.set', tag: 'x' as Tag, digest });
      },
    });
    expect(await lost.catch((error: unknown) => (error instanceof RegistryError ? error.kind : error))).toBe(
      'unavailable',
    );
    fault = 'none';
    const refused = projection.submit(REPO, {
      decide: (facts) => {
        decided++;
        if (facts.exists) return refuse(new RegistryError('denied', 'no'));
        return accept(undefined, { type: 'tag.set', tag: 'y' as Tag, digest });
      },
    });
    expect(await refused.catch((error: unknown) => (error instanceof RegistryError ? error.kind : error))).toBe(
      'denied',
    );
    expect(decided).toBe(4);
    expect(await catalogOf(projection)).toEqual([REPO]);
  });
});

describe('the view of a repository', () => {
  test('reports the tail after the newest snapshot, slot by slot', async () => {
    const driver = new MemoryDriver();
    const growth: { slots: number; bytes: number }[] = [];
    await writeLog(driver, slotsOf([[{ type: 'repo.deleted' }], [{ type: 'repo.deleted' }]]));
    const projection = openProjection(driver, { onGrowth: (_, { slots, bytes }) => growth.push({ slots, bytes }) });
    await projection.submit(REPO, setTags('a'));
    await projection.submit(REPO, setTags('b'));
    const sizes = await Promise.all(
      [1, 2, 3, 4].map(async (seq) => (await driver.head(slotKey(REPO, seq)))?.size ?? 0),
    );
    const upTo = (seq: number): number => sizes.slice(0, seq).reduce((sum, size) => sum + size);
    expect(growth).toEqual([
      { slots: 3, bytes: upTo(3) },
      { slots: 4, bytes: upTo(4) },
    ]);
  });

  test('of a broken log fails every read, and affects no other repository', async () => {
    const driver = new MemoryDriver();
    await driver.put(slotKey(REPO, 1), new TextEncoder().encode('broken'));
    const projection = openProjection(driver);
    for (const ask of [() => tagsOf(projection, REPO), () => projection.submit(REPO, setTags('x'))]) {
      expect(await ask().catch((error: unknown) => (error instanceof RegistryError ? error.kind : error))).toBe(
        'log-broken',
      );
    }
    const [other] = REPOSITORIES as [RepositoryName];
    await projection.submit(other, setTags('x'));
    expect(await tagsOf(projection, other)).toEqual(['x']);
  });

  test('is durable before it serves reads: a kill may have left the newest slot in the page cache only', async () => {
    const driver = new MemoryDriver();
    await writeLog(driver, slotsOf([[{ type: 'repo.deleted' }], [{ type: 'tag.set', tag: 'x' as Tag, digest }]]));
    const confirmed: Key[] = [];
    Object.assign(driver, {
      confirm: async (key: Key) => {
        confirmed.push(key);
      },
    });
    await tagsOf(openProjection(driver), REPO);
    expect(confirmed).toEqual([slotKey(REPO, 2)]);
  });
});
