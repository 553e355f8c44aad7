// Scans a listing of two million objects that do not exist, and prints what it found. A separate process, because its memory
// is measured. usage: bun test/support/many-objects.ts <folder to spill to>
import { readFileSync } from 'node:fs';
import { encodeTime } from 'ulid';
import { findGarbage } from '../../src/collection/garbage.ts';
import { LINKED, LiveSet } from '../../src/collection/live-set.ts';
import { openSpillFiles } from '../../src/collection/spill-files.ts';
import type { Incarnation } from '../../src/oci/names.ts';
import type { StoreReader } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { dataKey, SHELVES } from '../../src/storage/paths.ts';

const OBJECTS = 2_000_000;
const A_SHELF = Math.ceil(OBJECTS / SHELVES.length);
const NOW = Date.UTC(2030, 0, 1);
const NAMED = encodeTime(NOW - 1_000_000, 10);

function nameOf(number: number, shelf: string): Incarnation {
  return `${NAMED}00000${String(number).padStart(9, '0')}${shelf}` as Incarnation;
}

const [folder = ''] = process.argv.slice(2);
const live = new LiveSet(() => openSpillFiles(folder));
for (let number = 0; number < A_SHELF; number++) {
  for (const shelf of SHELVES) {
    // Some were unlinked; some were never linked and are not in the set.
    if (number % 10 === 0) {
      if (number % 20 === 0) await live.add(nameOf(number, shelf), NOW - 500_000);
    } else await live.add(nameOf(number, shelf), LINKED);
  }
}
await live.seal();
const listed = async function* () {
  for (const shelf of SHELVES) {
    for (let number = 0; number < A_SHELF; number++) yield { key: dataKey(nameOf(number, shelf)), size: 10 };
  }
};
const memory = new MemoryDriver();
const driver: StoreReader = {
  kind: 'listed',
  read: (key) => memory.read(key),
  open: (key) => memory.open(key),
  head: (key) => memory.head(key),
  list: listed,
};
const ports = {
  driver,
  resident: () => undefined,
  openSpill: () => openSpillFiles(folder),
  yieldToRequests: async () => {},
  now: () => NOW,
  grace: 100_000,
  uploadExpiry: 100_000,
};
const examined = { objects: 0, bytes: 0 };
const found = { unlinked: 0, 'never-linked': 0 };
const scan = { startedAt: NOW, repositories: 1, live, holds: [], heads: new Map() };
for await (const { reason } of findGarbage(ports, scan, examined)) found[reason]++;
await live.close();
// Not from wait4(2), which counts the memory that the parent had at the fork.
const [, peak] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
console.log(JSON.stringify({ examined: examined.objects, ...found, peak: Number(peak) * 1024 }));
