// Memory projections with a clock and names that the test controls.
import type { RepositoryName } from '../../src/oci/names.ts';
import { MemoryProjection, type MemoryProjectionPorts } from '../../src/projection/memory.ts';
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

export const REPOSITORIES = ['a', 'a-b', 'a/b', 'b'].map((name) => name as RepositoryName);
