// Collections over the memory driver, with a clock and names that the test controls.
import { type CollectOptions, collect } from '../../src/collection/collect.ts';
import type { Spill } from '../../src/collection/live-set.ts';
import type { CollectionPorts } from '../../src/collection/ports.ts';
import type { CollectionReport } from '../../src/collection/report.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import { countingIncarnations } from './deterministic.ts';
import { openProjection } from './projections.ts';
import { EXPIRY, GRACE, type OpenRegistry } from './registry.ts';

export const never = new AbortController().signal;

/** Spilled records, kept in memory. */
export async function memorySpill(): Promise<Spill> {
  const shelves = new Map<number, Uint8Array[]>();
  return {
    append: async (shelf, records) => {
      shelves.set(shelf, [...(shelves.get(shelf) ?? []), records.slice()]);
    },
    read: async (shelf) => new Uint8Array(Buffer.concat(shelves.get(shelf) ?? [])),
    close: async () => shelves.clear(),
  };
}

/** The ports of a worker, which has no views in memory. @param number separates the names of two leaders */
export function collectionPorts(
  { driver, clock }: Pick<OpenRegistry, 'driver' | 'clock'>,
  number = 1,
  changes: Partial<CollectionPorts> = {},
): CollectionPorts {
  return {
    driver,
    projection: openProjection(driver, { clock, probe: true, newId: countingIncarnations(clock.now, 3000 + number) }),
    resident: () => undefined,
    openSpill: memorySpill,
    yieldToRequests: async () => {},
    now: clock.now,
    sleep: clock.sleep,
    newId: countingIncarnations(clock.now, 2000 + number),
    reach: noCrash,
    node: `collector-${number}`,
    grace: GRACE,
    uploadExpiry: EXPIRY,
    rate: 0,
    deleteBatch: 10,
    deleteDurably: true,
    ...changes,
  };
}

/** One thorough run, as the command requests it. */
export function collectNow(
  opened: Pick<OpenRegistry, 'driver' | 'clock'>,
  changes: Partial<CollectionPorts> = {},
  options: CollectOptions = { thorough: true },
): Promise<CollectionReport> {
  return collect(collectionPorts(opened, 1, changes), never, options);
}
