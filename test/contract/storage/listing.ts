import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Key } from '../../../src/storage/driver.ts';
import { keysBelow } from '../../../src/storage/keys-below.ts';
import { concurrently } from '../../support/concurrently.ts';
import { keysOf, type Store, text } from './store.ts';

/** More would only wait for the store, and might exceed their deadlines. */
const CONCURRENCY = 32;

// Names around the slash in the order of bytes: `+`, `-` and `.` come before it, `0` right after it.
const name = fc.constantFrom('a', 'a+', 'a-', 'a.', 'a0', 'aa', 'b', 'A', '_');

/** Keys of which none is a folder of another. */
const keySets = fc
  .uniqueArray(
    fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
    { maxLength: 14 },
  )
  .map((keys) => keys.filter((key) => !keys.some((other) => other.startsWith(`${key}/`))));

function byBytes(keys: readonly Key[]): Key[] {
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

export function listingContract(store: Store): void {
  describe('list', () => {
    test('gives the keys below any prefix in byte order, after any position', async () => {
      await fc.assert(
        fc.asyncProperty(keySets, async (names) => {
          const folder = store.freshFolder();
          const keys = byBytes(names.map((each) => folder + each));
          for (const key of keys) await store.driver.put(key, text(key), { durable: false });
          const prefixes = new Set([folder, `${folder}missing/`]);
          for (const key of keys) {
            for (let slash = key.indexOf('/', folder.length); slash > 0; slash = key.indexOf('/', slash + 1)) {
              prefixes.add(key.slice(0, slash + 1));
            }
          }
          for (const prefix of prefixes) {
            const below = keys.filter((key) => key.startsWith(prefix));
            expect(await keysOf(store.driver, prefix)).toEqual(below);
            expect(await Array.fromAsync(keysBelow(store.driver, prefix))).toEqual(below);
            // At each key, just before and after it, at the folders themselves, and outside of them.
            const positions = [...keys, ...keys.map((key) => key.slice(0, -1)), ...keys.map((key) => `${key}-`)];
            for (const after of [
              ...positions,
              ...prefixes,
              ...[...prefixes].map((each) => each.slice(0, -1)),
              '',
              '~',
            ]) {
              expect(await keysOf(store.driver, prefix, after)).toEqual(below.filter((key) => key > after));
            }
          }
        }),
        { numRuns: 12 },
      );
    });

    test('gives the size of each object', async () => {
      const folder = store.freshFolder();
      for (const size of [0, 1, 70_000]) await store.driver.create(`${folder}${size}`, new Uint8Array(size));
      const sizes: number[] = [];
      for await (const { size } of store.driver.list(folder)) sizes.push(size);
      expect(sizes).toEqual([0, 1, 70_000]);
    });

    test('gives more keys than one page of any store holds', async () => {
      const folder = store.freshFolder();
      const keys = Array.from({ length: 2300 }, (_, index) => `${folder}${String(index).padStart(6, '0')}`);
      await concurrently(CONCURRENCY, keys, (key) => store.driver.put(key, new Uint8Array(), { durable: false }));
      expect(await keysOf(store.driver, folder)).toEqual(keys);
      expect(await keysOf(store.driver, folder, keys[1149])).toEqual(keys.slice(1150));
    });

    test('may be abandoned early, and gives every object that exists throughout', async () => {
      const folder = store.freshFolder();
      const keys = ['a', 'b', 'c', 'd'].map((each) => folder + each);
      for (const key of keys) await store.driver.put(key, text('x'));
      for await (const { key } of store.driver.list(folder)) {
        expect(key).toBe(`${folder}a`);
        break;
      }
      const listed: Key[] = [];
      for await (const { key } of store.driver.list(folder)) {
        listed.push(key);
        await store.driver.delete([key]);
      }
      expect(listed).toEqual(keys);
      expect(await keysOf(store.driver, folder)).toEqual([]);
    });

    test('does not give staged or temporary objects', async () => {
      const folder = store.freshFolder();
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          await store.driver.create(`${folder}${index % 4}`, text('x'));
          for (const key of await keysOf(store.driver, folder)) expect(key).toMatch(/\/[0-3]$/);
        }),
      );
    });
  });
}
