// Memory projections with a clock and names that the test controls.
import type { RepositoryName } from '../../src/oci/names.ts';
import { MemoryProjection, type MemoryProjectionPorts } from '../../src/projection/memory.ts';
import type { Projection } from '../../src/projection/projection.ts';
import { Heads } from '../../src/projection/threads/heads.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { countingIncarnations, TestClock } from './deterministic.ts';

/** More memory than any test needs. */
export const HUGE_BUDGET = 1e12;

export function openProjection(
  driver: StorageDriver,
  options: Partial<MemoryProjectionPorts> & { readonly clock?: TestClock } = {},
): MemoryProjection {
  const { clock = new TestClock(), ...ports } = options;
  return new MemoryProjection({
    driver,
    now: clock.now,
    sleep: clock.sleep,
    newId: countingIncarnations(clock.now, 7),
    reach: noCrash,
    node: 'node',
    onAppend: () => {},
    budget: HUGE_BUDGET,
    onGrowth: () => {},
    onListingFailed: () => {},
    ...ports,
  });
}

/** The projections of a process's threads over one store. */
export function openThreads(
  driver: StorageDriver,
  count: number,
  { clock = new TestClock(), ...options }: Parameters<typeof openProjection>[1] = {},
): MemoryProjection[] {
  const table = Heads.allocate();
  return Array.from({ length: count }, (_, number) => {
    const newId = countingIncarnations(clock.now, 100 + number);
    return openProjection(driver, { clock, newId, heads: new Heads(table), ...options });
  });
}

/** Each call goes to the next of these. */
export function takingTurns(projections: readonly Projection[]): Projection {
  let calls = 0;
  const next = (): Projection => {
    const projection = projections[calls++ % projections.length];
    if (projection === undefined) throw new Error('there is no projection');
    return projection;
  };
  return {
    manifestByTag: (...args) => next().manifestByTag(...args),
    manifestByDigest: (...args) => next().manifestByDigest(...args),
    blob: (...args) => next().blob(...args),
    blobUse: (...args) => next().blobUse(...args),
    tags: (...args) => next().tags(...args),
    referrers: (...args) => next().referrers(...args),
    repositories: (...args) => next().repositories(...args),
    submit: (...args) => next().submit(...args),
  };
}

export const REPOSITORIES = ['a', 'a-b', 'a/b', 'b'].map((name) => name as RepositoryName);
