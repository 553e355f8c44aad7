// Two million objects, of which the store is only told about: what a collection remembers of them must not grow with them.
import { afterAll, expect, test } from 'bun:test';
import { encodeTime } from 'ulid';
import { cleanUp, temporaryFolder } from '../../test/support/server.ts';
import type { Incarnation } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { dataKey, SHELVES } from '../storage/paths.ts';
import { findGarbage } from './garbage.ts';
import { LINKED, LiveSet } from './live-set.ts';
import { openSpillFiles } from './spill-files.ts';

afterAll(cleanUp);

const OBJECTS = 2_000_000;
const A_SHELF = Math.ceil(OBJECTS / SHELVES.length);
const NOW = Date.UTC(2030, 0, 1);
const NAMED = encodeTime(NOW - 1_000_000, 10);
const MOST_GROWTH = 220 * 1024 * 1024;

function nameOf(number: number, shelf: string): Incarnation {
  return `${NAMED}00000${String(number).padStart(9, '0')}${shelf}` as Incarnation;
}

test('two million objects are looked through in bounded memory; every tenth is garbage', async () => {
  const folder = temporaryFolder('many');
  const base = process.memoryUsage.rss();
  let most = base;
  const live = new LiveSet(() => openSpillFiles(folder));
  for (let number = 0; number < A_SHELF; number++) {
    for (const shelf of SHELVES) {
      // Some were unlinked, some never linked: those the set does not have.
      if (number % 10 === 0) {
        if (number % 20 === 0) await live.add(nameOf(number, shelf), NOW - 500_000);
      } else await live.add(nameOf(number, shelf), LINKED);
    }
    if (number % 100 === 0) most = Math.max(most, process.memoryUsage.rss());
  }
  await live.seal();
  const listed = async function* () {
    for (const shelf of SHELVES) {
      for (let number = 0; number < A_SHELF; number++) yield { key: dataKey(nameOf(number, shelf)), size: 10 };
      most = Math.max(most, process.memoryUsage.rss());
    }
  };
  const memory = new MemoryDriver();
  const driver: StoreReader = {
    kind: 'told',
    read: (key) => memory.read(key),
    open: (key) => memory.open(key),
    head: (key) => memory.head(key),
    list: listed,
  };
  const ports = {
    driver,
    resident: () => undefined,
    openSpill: () => openSpillFiles(folder),
    breathe: async () => {},
    now: () => NOW,
    grace: 100_000,
    uploadExpiry: 100_000,
  };
  const examined = { objects: 0, bytes: 0 };
  const found = { unlinked: 0, 'never-linked': 0 };
  const scan = { startedAt: NOW, repositories: 1, live, heads: new Map() };
  for await (const { reason } of findGarbage(ports, scan, examined)) found[reason]++;
  await live.close();
  expect(examined.objects).toBe(A_SHELF * SHELVES.length);
  expect(found.unlinked + found['never-linked']).toBe(Math.ceil(A_SHELF / 10) * SHELVES.length);
  expect(found.unlinked).toBe(Math.ceil(A_SHELF / 20) * SHELVES.length);
  expect(most - base).toBeLessThan(MOST_GROWTH);
});
