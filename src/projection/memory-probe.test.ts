import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { countingIncarnations, TestClock } from '../../test/support/deterministic.ts';
import { openProjection, REPOSITORIES } from '../../test/support/projections.ts';
import { ScheduledDriver } from '../../test/support/scheduled.ts';
import { REPO } from '../../test/support/slots.ts';
import { setTags } from '../../test/support/writers.ts';
import { accept } from '../journal/command.ts';
import type { RepositoryName, Tag } from '../oci/names.ts';
import type { StorageDriver } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import type { MemoryProjection } from './memory.ts';

/** Several processes that write to one store. */
function openAll(driver: StorageDriver, count: number, budget: number): MemoryProjection[] {
  const clock = new TestClock();
  return Array.from({ length: count }, (_, number) =>
    openProjection(driver, { clock, probe: true, budget, newId: countingIncarnations(clock.now, number) }),
  );
}

async function tagsOf(projection: MemoryProjection, repo: RepositoryName): Promise<string[]> {
  const answer = await projection.tags(repo, undefined, 1000);
  return answer.kind === 'known' ? [...answer.value.items] : ['unknown'];
}

const visits = fc.array(
  fc.array(fc.record({ repo: fc.constantFrom(...REPOSITORIES.slice(0, 2)), looker: fc.nat({ max: 2 }) }), {
    maxLength: 4,
  }),
  { minLength: 2, maxLength: 3 },
);

describe('a view beside other writers', () => {
  test('has every write that any process acknowledged, in whatever order storage answers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), visits, fc.constantFrom(0, 1e9), async (scheduler, plans, budget) => {
        const driver = new ScheduledDriver(scheduler);
        const nodes = openAll(driver, 3, budget);
        const client = async (number: number): Promise<void> => {
          for (const [index, { repo, looker }] of (plans[number] ?? []).entries()) {
            await nodes[number]?.submit(repo, setTags(`${number}-${index}`));
            expect(await tagsOf(nodes[looker] as MemoryProjection, repo)).toContain(`${number}-${index}`);
            const { items } = await (nodes[looker] as MemoryProjection).repositories(undefined, 10);
            expect(items).toContain(repo);
          }
        };
        await scheduler.waitFor(Promise.all(plans.map((_, number) => client(number))));
      }),
    );
  });

  test('decides on slots of other processes, also if the command writes nothing', async () => {
    const [a, b] = openAll(new MemoryDriver(), 2, 1e9) as [MemoryProjection, MemoryProjection];
    await a.submit(REPO, setTags('x'));
    const isThere = { decide: (facts: { tag(tag: Tag): unknown }) => accept(facts.tag('x' as Tag) !== undefined) };
    expect(await b.submit(REPO, isThere)).toBe(true);
    await a.submit(REPO, { decide: () => accept(undefined, { type: 'repo.deleted' }) });
    expect(await b.submit(REPO, isThere)).toBe(false);
    expect(await b.repositories(undefined, 10)).toEqual({ items: [], more: false });
  });

  test('shares one probe among concurrent reads, and probes again for later ones', async () => {
    const driver = new MemoryDriver();
    const [a] = openAll(driver, 1, 1e9) as [MemoryProjection];
    await a.submit(REPO, setTags('x'));
    let reads = 0;
    const read = driver.read.bind(driver);
    driver.read = (key) => {
      reads++;
      return read(key);
    };
    await Promise.all(Array.from({ length: 50 }, () => tagsOf(a, REPO)));
    expect(reads).toBeLessThanOrEqual(2);
    await tagsOf(a, REPO);
    expect(reads).toBeLessThanOrEqual(3);
  });

  test('reports a storage failure to its own callers only', async () => {
    const driver = new MemoryDriver();
    const [a] = openAll(driver, 1, 1e9) as [MemoryProjection];
    await a.submit(REPO, setTags('x'));
    const read = driver.read.bind(driver);
    driver.read = () => Promise.reject(new Error('no answer'));
    expect(await tagsOf(a, REPO).catch(String)).toBe('Error: no answer');
    driver.read = read;
    expect(await tagsOf(a, REPO)).toEqual(['x']);
  });
});
