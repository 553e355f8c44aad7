import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Fault, TestClock } from '../../test/support/deterministic.ts';
import { HUGE_BUDGET, openThreads, REPOSITORIES } from '../../test/support/projections.ts';
import { ScheduledDriver } from '../../test/support/scheduled.ts';
import { REPO } from '../../test/support/slots.ts';
import { setTags } from '../../test/support/writers.ts';
import { accept } from '../journal/command.ts';
import { foldLog } from '../journal/log.ts';
import type { RegistryError } from '../oci/errors.ts';
import type { RepositoryName, Tag } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { CATALOG, slotKey } from '../storage/paths.ts';
import type { MemoryProjection } from './memory.ts';

type Threads = [MemoryProjection, MemoryProjection, MemoryProjection];

async function tagsOf(projection: MemoryProjection, repo: RepositoryName): Promise<string[]> {
  const answer = await projection.tags(repo, undefined, 1000);
  return answer.kind === 'known' ? [...answer.value.items] : ['unknown'];
}

async function catalogOf(projection: MemoryProjection): Promise<string[]> {
  return [...(await projection.repositories(undefined, 100)).items];
}

/** Three threads over a driver that lists what it reads. */
function openCounted(): { threads: Threads; driver: MemoryDriver; reads: Key[] } {
  const driver = new MemoryDriver();
  const reads: Key[] = [];
  const read = driver.read.bind(driver);
  driver.read = (key) => {
    reads.push(key);
    return read(key);
  };
  const list = driver.list.bind(driver);
  driver.list = (prefix, after) => {
    reads.push(prefix);
    return list(prefix, after);
  };
  const head = driver.head.bind(driver);
  driver.head = (key) => {
    reads.push(key);
    return head(key);
  };
  return { threads: openThreads(driver, 3) as Threads, driver, reads };
}

const visit = fc.record({
  repo: fc.constantFrom(...REPOSITORIES.slice(0, 2)),
  does: fc.constantFrom('write', 'write', 'read', 'read', 'read the log'),
  thread: fc.nat({ max: 2 }),
});
const plans = fc.array(fc.array(visit, { maxLength: 5 }), { minLength: 2, maxLength: 3 });

describe('views of several threads', () => {
  test('show what was acknowledged, and nothing that was shown disappears, in whatever order storage answers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        plans,
        fc.constantFrom(0, HUGE_BUDGET),
        fc.infiniteStream(fc.constantFrom<Fault>('none', 'none', 'none', 'before writing', 'after writing')),
        async (scheduler, plan, budget, faults) => {
          const fault = (): Fault => faults.next().value ?? 'none';
          const driver = new ScheduledDriver(scheduler, fault);
          const threads = openThreads(driver, 3, { budget });
          /** Tags that a client has seen. They are never deleted. */
          const told = new Map<RepositoryName, Set<string>>(REPOSITORIES.map((repo) => [repo, new Set()]));
          const client = async (number: number): Promise<void> => {
            for (const [index, { repo, does, thread }] of (plan[number] ?? []).entries()) {
              const projection = threads[thread] as MemoryProjection;
              const known = told.get(repo) as Set<string>;
              const before = [...known];
              if (does === 'write') {
                await projection.submit(repo, setTags(`${number}-${index}`));
                known.add(`${number}-${index}`);
                continue;
              }
              if (does === 'read the log') {
                const { state } = await foldLog(driver, repo);
                if (state.seq > 0) await projection.shown(repo, state.seq);
                expect([...state.tags.keys()] as string[]).toEqual(expect.arrayContaining(before));
                for (const tag of state.tags.keys()) known.add(tag);
                continue;
              }
              const [tags, catalog] = [await tagsOf(projection, repo), await catalogOf(projection)];
              expect(tags).toEqual(expect.arrayContaining(before));
              if (before.length > 0) expect(catalog).toContain(repo);
              if (tags[0] !== 'unknown') for (const tag of tags) known.add(tag);
            }
          };
          await scheduler.waitFor(Promise.all(plan.map((_, number) => client(number))));
        },
      ),
      { numRuns: 300 },
    );
  }, 300_000);

  test('cost no read of storage while nothing is written, and one look after a write', async () => {
    const { threads, reads } = openCounted();
    const [a, b] = threads;
    await a.submit(REPO, setTags('x'));
    for (const each of threads) expect(await tagsOf(each, REPO)).toEqual(['x']);
    reads.length = 0;
    for (const each of threads) expect(each.tags(REPO, undefined, 10)).not.toBeInstanceOf(Promise);
    expect(reads).toEqual([]);
    await a.submit(REPO, setTags('y'));
    expect(a.tags(REPO, undefined, 10)).not.toBeInstanceOf(Promise);
    reads.length = 0;
    const together = await Promise.all(Array.from({ length: 20 }, () => tagsOf(b, REPO)));
    expect(new Set(together.map(String))).toEqual(new Set(['x,y']));
    expect(reads).toEqual([slotKey(REPO, 2), slotKey(REPO, 3)]);
    expect(b.tags(REPO, undefined, 10)).not.toBeInstanceOf(Promise);
  });

  test('decide on slots of other threads, also if the command writes nothing', async () => {
    const [a, b] = openThreads(new MemoryDriver(), 2) as [MemoryProjection, MemoryProjection];
    await a.submit(REPO, setTags('x'));
    const isThere = { decide: (facts: { tag(tag: Tag): unknown }) => accept(facts.tag('x' as Tag) !== undefined) };
    expect(await b.submit(REPO, isThere)).toBe(true);
    await a.submit(REPO, { decide: () => accept(undefined, { type: 'repo.deleted' }) });
    expect(await b.submit(REPO, isThere)).toBe(false);
    expect(await catalogOf(b)).toEqual([]);
  });

  test('report a failure of storage to the callers of that look only', async () => {
    const driver = new MemoryDriver();
    const [a, b] = openThreads(driver, 2) as [MemoryProjection, MemoryProjection];
    expect(await tagsOf(b, REPO)).toEqual(['unknown']);
    await a.submit(REPO, setTags('x'));
    expect(await tagsOf(b, REPO)).toEqual(['x']);
    await a.submit(REPO, setTags('y'));
    const read = driver.read.bind(driver);
    driver.read = () => Promise.reject(new Error('no answer'));
    expect(await tagsOf(b, REPO).catch(String)).toBe('Error: no answer');
    driver.read = read;
    expect(await tagsOf(b, REPO)).toEqual(['x', 'y']);
  });

  test('confirm a slot that its creator may still be writing before they show it', async () => {
    const driver = new MemoryDriver();
    const [a, b, c] = openThreads(driver, 3) as Threads;
    await a.submit(REPO, setTags('x'));
    expect(await tagsOf(b, REPO)).toEqual(['x']);
    const confirmed: Key[] = [];
    Object.assign(driver, { confirm: async (key: Key) => void confirmed.push(key) });
    await a.submit(REPO, setTags('y'));
    expect(await tagsOf(b, REPO)).toEqual(['x', 'y']);
    expect(confirmed).toEqual([]);
    await a.submit(REPO, setTags('z'));
    // The next slot has its name, but `create` has not returned.
    const [named, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const create = driver.create.bind(driver);
    driver.create = async (...args) => {
      const result = await create(...args);
      named.resolve();
      await answered.promise;
      return result;
    };
    const writing = a.submit(REPO, setTags('late'));
    await named.promise;
    expect(await tagsOf(c, REPO)).toEqual(['late', 'x', 'y', 'z']);
    expect(confirmed).toEqual([slotKey(REPO, 4)]);
    confirmed.length = 0;
    expect(await tagsOf(b, REPO)).toEqual(['late', 'x', 'y', 'z']);
    expect(confirmed).toEqual([slotKey(REPO, 3), slotKey(REPO, 4)]);
    answered.resolve();
    await writing;
    for (const each of [a, b, c]) expect(await tagsOf(each, REPO)).toEqual(['late', 'x', 'y', 'z']);
  });

  test('find a slot whose creation was given up when it appears, in all threads', async () => {
    const clock = new TestClock();
    const driver = new MemoryDriver();
    const [a, b, c] = openThreads(driver, 3, { clock }) as Threads;
    await a.submit(REPO, setTags('x'));
    for (const each of [b, c]) expect(await tagsOf(each, REPO)).toEqual(['x']);
    const late: (() => Promise<unknown>)[] = [];
    const create = driver.create.bind(driver);
    driver.create = (...args) => {
      late.push(() => create(...args));
      return Promise.reject(new Error('no answer'));
    };
    const lost = await a.submit(REPO, setTags('late')).catch((error: unknown) => error);
    expect((lost as RegistryError).kind).toBe('unavailable');
    driver.create = create;
    await late[0]?.();
    // The next writer finds it in its way.
    await b.submit(REPO, setTags('y'));
    for (const each of [c, a, b]) expect(await tagsOf(each, REPO)).toEqual(['late', 'x', 'y']);
  });
});

describe('names without a log', () => {
  test('cost nothing, also when other threads have created repositories', async () => {
    const { threads, reads } = openCounted();
    const [a, b] = threads;
    const nowhere = 'no/where' as RepositoryName;
    expect(await catalogOf(b)).toEqual([]);
    await a.submit(REPO, setTags('x'));
    reads.length = 0;
    expect(await tagsOf(b, nowhere)).toEqual(['unknown']);
    expect(reads).toEqual([]);
    expect(await tagsOf(b, REPO)).toEqual(['x']);
  });

  test('are listed again after more changes than the table can tell', async () => {
    const { threads, reads } = openCounted();
    const [a, b] = threads;
    const names = Array.from({ length: 1_100 }, (_, index) => `r${index}` as RepositoryName);
    expect(await catalogOf(b)).toEqual([]);
    for (const repo of names) await a.submit(repo, setTags('x'));
    reads.length = 0;
    const [last] = names.slice(-1) as [RepositoryName];
    expect(await tagsOf(b, last)).toEqual(['x']);
    const { items, more } = await b.repositories(undefined, 2_000);
    expect([items.length, more]).toEqual([1_100, false]);
    expect(reads.filter((key) => key === CATALOG)).toHaveLength(1);
    await a.submit('other' as RepositoryName, setTags('x'));
    expect(await catalogOf(b)).toContain('other');
    expect(reads.filter((key) => key === CATALOG)).toHaveLength(1);
  });

  test('are in the catalog of all threads once they are created, and not any more once they are deleted', async () => {
    const { threads, reads } = openCounted();
    const [a, b, c] = threads;
    for (const each of threads) expect(await catalogOf(each)).toEqual([]);
    for (const repo of REPOSITORIES) await a.submit(repo, setTags('x'));
    for (const each of threads) expect(await catalogOf(each)).toEqual([...REPOSITORIES].sort());
    await b.submit('b' as RepositoryName, { decide: () => accept(undefined, { type: 'repo.deleted' }) });
    for (const each of threads) expect(await catalogOf(each)).toEqual(['a', 'a-b', 'a/b']);
    reads.length = 0;
    for (const each of threads) await catalogOf(each);
    // Writes that neither create nor delete a repository do not matter.
    await c.submit('a' as RepositoryName, setTags('y'));
    reads.length = 0;
    for (const each of threads) expect(await catalogOf(each)).toEqual(['a', 'a-b', 'a/b']);
    expect(reads.filter((key) => key === CATALOG)).toEqual([]);
    expect(reads).toEqual([]);
  });
});
