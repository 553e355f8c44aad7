import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import { memorySpill } from '../../test/support/collection.ts';
import { cleanUp, temporaryFolder } from '../../test/support/server.ts';
import type { Incarnation } from '../oci/names.ts';
import { LINKED, LiveSet, shelfNameOf } from './live-set.ts';
import { openSpillFiles } from './spill-files.ts';

afterAll(cleanUp);

const DIGITS = [...'0123456789ABCDEFGHJKMNPQRSTVWXYZ'];

/** The n-th of many names; those that follow each other lie on shelves far apart. */
function nameOf(n: number): Incarnation {
  let text = '';
  for (let left = n, place = 0; place < 8; place++, left = Math.floor(left / 32)) text += DIGITS[left % 32] ?? '';
  return `01Q3DCBWZ6${'0'.repeat(8)}${[...text].reverse().join('')}` as Incarnation;
}

async function filled(records: Iterable<readonly [Incarnation, number]>, openSpill = memorySpill): Promise<LiveSet> {
  const live = new LiveSet(openSpill, 1);
  for (const [inc, until] of records) await live.add(inc, until);
  await live.seal();
  return live;
}

describe('a set of what is live', () => {
  test('knows the latest state of each incarnation in any log, whether it was spilled or not', async () => {
    const records = fc.array(fc.tuple(fc.nat({ max: 5_000 }).map(nameOf), fc.constantFrom(LINKED, 5, 6, 7)));
    // Few stay in memory, many go to disk: there is room for some 1,900.
    const copies = fc.constantFrom(1, 60);
    await fc.assert(
      fc.asyncProperty(records, copies, async (some, times) => {
        const all = Array.from({ length: times }, () => some).flat();
        const live = await filled(all);
        const expected = new Map<string, number>();
        for (const [inc, until] of all) expected.set(inc, Math.max(until, expected.get(inc) ?? 0));
        for (const shelf of new Set(['ZZ', ...all.map(([inc]) => shelfNameOf(inc))])) {
          const known = await live.shelf(shelf);
          const onShelf = [...expected].filter(([inc]) => shelfNameOf(inc as Incarnation) === shelf);
          expect([...known].sort()).toEqual(onShelf.sort());
        }
      }),
      { numRuns: 40 },
    );
  });

  test('loses nothing that several logs add while it spills', async () => {
    const each = Array.from({ length: 4 }, (_, log) => Array.from({ length: 5_000 }, (_, n) => nameOf(n * 4 + log)));
    const live = new LiveSet(async () => {
      const spill = await memorySpill();
      // Disks take a while.
      return { ...spill, append: async (shelf, records) => Bun.sleep(0).then(() => spill.append(shelf, records)) };
    }, 1);
    const add = async (names: readonly Incarnation[]): Promise<void> => {
      for (const inc of names) await live.add(inc, LINKED);
    };
    await Promise.all(each.map(add));
    await live.seal();
    const lost: Incarnation[] = [];
    for (const inc of each.flat()) if ((await live.shelf(shelfNameOf(inc))).get(inc) !== LINKED) lost.push(inc);
    expect(lost).toEqual([]);
  }, 300_000);

  test('leaves nothing on disk', async () => {
    const folder = temporaryFolder('spill');
    const records = Array.from({ length: 10_000 }, (_, n) => [nameOf(n), LINKED] as const);
    const live = await filled(records, () => openSpillFiles(folder));
    expect(readdirSync(folder)).toHaveLength(1);
    expect((await live.shelf(shelfNameOf(nameOf(33)))).get(nameOf(33))).toBe(LINKED);
    await live.close();
    expect(existsSync(folder) && readdirSync(folder).length).toBe(0);
  });

  test('is read only once it is sealed', async () => {
    const live = new LiveSet(memorySpill);
    await live.add(nameOf(1), LINKED);
    await expect(live.shelf('01')).rejects.toThrow('before it was sealed');
  });
});
