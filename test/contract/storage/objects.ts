import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { NotDurable } from '../../../src/storage/not-durable.ts';
import { concurrently } from '../../support/concurrently.ts';
import { keysOf, random, type Store, sentBytes, text, textOf } from './store.ts';

/** More would only wait for the store, and might exceed their deadlines. */
const CONCURRENCY = 32;

/** The longest component that a name may have. */
const LONG = 'x'.repeat(255);

export function objectContract(store: Store): void {
  describe('create', () => {
    test('has exactly one winner among 32 concurrent calls, whose bytes are kept', async () => {
      for (let round = 0; round < 8; round++) {
        const key = `${store.freshFolder()}slot`;
        const results = await Promise.all(
          Array.from({ length: 32 }, (_, index) => store.driver.create(key, text(`contender ${index}`))),
        );
        expect(results.filter((result) => result === 'created')).toHaveLength(1);
        expect(await textOf(store.driver, key)).toBe(`contender ${results.indexOf('created')}`);
      }
    });

    test('of an existing key keeps the old bytes, however they were written', async () => {
      const folder = store.freshFolder();
      expect(await store.driver.create(`${folder}a`, text('first'))).toBe('created');
      await store.driver.put(`${folder}b`, text('first'));
      for (const key of [`${folder}a`, `${folder}b`]) {
        expect(await store.driver.create(key, text('second'))).toBe('taken');
        expect(await textOf(store.driver, key)).toBe('first');
      }
    });

    test('is possible again after a delete', async () => {
      const key = `${store.freshFolder()}again`;
      await store.driver.create(key, text('first'));
      await store.driver.delete([key]);
      expect(await store.driver.create(key, text('second'))).toBe('created');
      expect(await textOf(store.driver, key)).toBe('second');
    });
  });

  test('several objects are read as one by one: small, empty, big and missing ones, in the order of the keys', async () => {
    const { driver } = store;
    const folder = store.freshFolder();
    const sizes = [10, 0, 64 * 1024, 64 * 1024 + 1, 300_000, 1];
    const written = sizes.map((size, index) => ({ key: `${folder}${index}`, bytes: random(size) }));
    for (const { key, bytes } of written) await driver.put(key, bytes);
    const keys = [`${folder}never`, ...written.map(({ key }) => key), `${folder}0/below-a-file`];
    const expected = [undefined, ...written.map(({ bytes }) => bytes), undefined];
    // Drivers need not have it.
    const found = await (driver.readSeveral?.(keys) ?? Promise.all(keys.map((key) => driver.read(key))));
    for (const [index, bytes] of expected.entries()) {
      const same = found[index];
      expect([index, same?.length]).toEqual([index, bytes?.length]);
      if (bytes !== undefined && same !== undefined) expect(Buffer.compare(same, bytes)).toBe(0);
    }
  });

  describe('put', () => {
    test.each([
      ['durable', {}],
      ['not durable', { durable: false }],
    ])('%s: creates, replaces, even by fewer or no bytes', async (_, options) => {
      const key = `${store.freshFolder()}deep/er/object`;
      for (const value of ['a first value', 'another, longer value', 'short', '']) {
        await store.driver.put(key, text(value), options);
        expect(await textOf(store.driver, key)).toBe(value);
        expect(await store.driver.head(key)).toEqual({ size: value.length });
      }
    });

    test('of a new key stores the bytes like any other', async () => {
      const folder = store.freshFolder();
      for (const size of [0, 1, 300_000]) {
        const bytes = random(size);
        await (await store.driver.write(`${folder}${size}`, bytes)).settle();
        expect(Buffer.compare((await store.driver.read(`${folder}${size}`)) ?? text('missing'), bytes)).toBe(0);
      }
    });

    test('an object that refers to written ones makes them durable, of any size and number', async () => {
      const folder = store.freshFolder();
      const sizes = [0, 10, 70_000, ...Array.from({ length: 40 }, () => 60_000)];
      const written = await Promise.all(sizes.map((size, n) => store.driver.write(`${folder}w${n}`, random(size))));
      expect(await store.driver.create(`${folder}all`, text('x'), written)).toBe('created');
      for (const [n, size] of sizes.entries()) expect((await store.driver.head(`${folder}w${n}`))?.size).toBe(size);
      await Promise.all(written.map((each) => each.settle()));
    });

    test('an object that refers to a written one, but has no free name, leaves it as it is', async () => {
      const folder = store.freshFolder();
      const written = await store.driver.write(`${folder}w`, text('x'));
      await store.driver.create(`${folder}taken`, text('a'));
      expect(await store.driver.create(`${folder}taken`, text('b'), [written])).toBe('taken');
      expect(await store.driver.create(`${folder}free`, text('b'), [written])).toBe('created');
      await written.settle();
      expect(await textOf(store.driver, `${folder}w`)).toBe('x');
    });

    test('an object that refers to one that could not be written is not created', async () => {
      const folder = store.freshFolder();
      const lost = { settle: () => Promise.reject(new Error('lost')) };
      const written = await store.driver.write(`${folder}w`, text('x'));
      await expect(store.driver.create(`${folder}a`, text('y'), [written, lost])).rejects.toBeInstanceOf(NotDurable);
      expect(await store.driver.head(`${folder}a`)).toBeUndefined();
      expect(await store.driver.create(`${folder}a`, text('y'), [written])).toBe('created');
    });

    test('of one key, many times concurrently: every reader sees one of the values, whole', async () => {
      const key = `${store.freshFolder()}contended`;
      const values = Array.from({ length: 12 }, (_, index) => String(index % 10).repeat(20_000 + index));
      await store.driver.put(key, text(values[0] ?? ''));
      const writing = Promise.all(values.map((value) => store.driver.put(key, text(value))));
      let written = false;
      const done = writing.then(() => {
        written = true;
      });
      do {
        const current = await textOf(store.driver, key);
        expect(values.some((value) => value === current)).toBe(true);
        await new Promise((resolve) => setImmediate(resolve));
      } while (!written);
      await done;
      const last = await textOf(store.driver, key);
      expect(values.some((value) => value === last)).toBe(true);
    });

    test('keeps the bytes as they were passed, even if the caller changes the buffer afterwards', async () => {
      const key = `${store.freshFolder()}own`;
      const bytes = text('given');
      await store.driver.put(key, bytes);
      bytes.fill(0);
      const read = await store.driver.read(key);
      read?.fill(0);
      expect(await textOf(store.driver, key)).toBe('given');
    });
  });

  describe('read, open and head', () => {
    test('of a missing object give undefined, not an error', async () => {
      const folder = store.freshFolder();
      await store.driver.put(`${folder}there/object`, text('x'));
      for (const key of [`${folder}missing`, `${folder}no/such/folder`, `${folder}there/object/below`]) {
        expect(await store.driver.read(key)).toBeUndefined();
        expect(await store.driver.open(key)).toBeUndefined();
        expect(await store.driver.head(key)).toBeUndefined();
      }
    });

    test('of a folder give undefined', async () => {
      const folder = store.freshFolder();
      await store.driver.put(`${folder}there/object`, text('x'));
      expect(await store.driver.read(`${folder}there`)).toBeUndefined();
      expect(await store.driver.open(`${folder}there`)).toBeUndefined();
      expect(await store.driver.head(`${folder}there`)).toBeUndefined();
    });

    test('give all bytes of objects of any size, including empty ones', async () => {
      const folder = store.freshFolder();
      for (const size of [0, 1, 65_536, 65_537, 3_000_000]) {
        const bytes = random(size);
        const key = `${folder}${size}`;
        await store.driver.create(key, bytes);
        const object = await store.driver.open(key);
        if (object === undefined) return expect.unreachable();
        expect(object.size).toBe(size);
        expect(Buffer.compare(await sentBytes(object), bytes)).toBe(0);
        expect(Buffer.compare((await store.driver.read(key)) ?? text('missing'), bytes)).toBe(0);
        expect(await store.driver.head(key)).toEqual({ size });
      }
    });

    test('give any range of the bytes', async () => {
      const key = `${store.freshFolder()}ranges`;
      const bytes = random(2000);
      await store.driver.put(key, bytes);
      const object = await store.driver.open(key);
      if (object === undefined) return expect.unreachable();
      await fc.assert(
        fc.asyncProperty(fc.nat({ max: 2000 }), fc.nat({ max: 2000 }), async (one, two) => {
          const range = { start: Math.min(one, two), end: Math.max(one, two) };
          expect(Buffer.compare(await sentBytes(object, range), bytes.subarray(range.start, range.end))).toBe(0);
        }),
      );
    });

    test('confirm makes an existing object durable, also one that another process created', async () => {
      const key = `${store.freshFolder()}confirmed`;
      await store.driver.put(key, text('x'), { durable: false });
      expect(await store.driver.create(key, text('y'))).toBe('taken');
      await store.driver.confirm(key);
      expect(await textOf(store.driver, key)).toBe('x');
    });
  });

  describe('delete', () => {
    test('removes the named objects and nothing else; a missing one counts as deleted', async () => {
      const folder = store.freshFolder();
      const keys = ['a', 'a.b', 'b/c', 'b/d'].map((name) => folder + name);
      for (const key of keys) await store.driver.put(key, text(key));
      const missing = [`${folder}missing`, `${folder}no/such/folder`];
      expect(await store.driver.delete([`${folder}a`, ...missing, `${folder}b/c`, `${folder}a`])).toEqual([]);
      expect(await keysOf(store.driver, folder)).toEqual([`${folder}a.b`, `${folder}b/d`]);
      expect(await store.driver.delete([])).toEqual([]);
    });

    test('that need not survive a power cut are still carried out', async () => {
      const folder = store.freshFolder();
      for (const name of ['a', 'b/c']) await store.driver.put(folder + name, text('x'));
      const keys = [`${folder}a`, `${folder}b/c`, `${folder}missing`];
      expect(await store.driver.delete(keys, { durable: false })).toEqual([]);
      expect(await keysOf(store.driver, folder)).toEqual([]);
      expect(await store.driver.create(`${folder}b/c`, text('new'))).toBe('created');
    });

    test('takes more keys than one request of any store holds', async () => {
      const folder = store.freshFolder();
      const keys = Array.from({ length: 1200 }, (_, index) => `${folder}${index % 7}/${index}`);
      await concurrently(CONCURRENCY, keys, (key) => store.driver.put(key, text('x'), { durable: false }));
      expect(await keysOf(store.driver, folder)).toHaveLength(1200);
      expect(await store.driver.delete(keys)).toEqual([]);
      expect(await keysOf(store.driver, folder)).toEqual([]);
    });

    test('of a prefix removes everything below it, at any depth, and no neighbours', async () => {
      const folder = store.freshFolder();
      const below = ['t/a', 't/b/c', 't/b/d/e'].map((name) => folder + name);
      const beside = ['t-', 't.x/y', 't0', 'ta/b'].map((name) => folder + name);
      for (let round = 0; round < 2; round++) {
        for (const key of [...below, ...beside]) await store.driver.put(key, text(`round ${round}`));
        await store.driver.deleteAll(`${folder}t/`);
        expect(await keysOf(store.driver, folder)).toEqual(beside);
      }
      // Each removed folder can be used again, in any way.
      expect(await store.driver.create(`${folder}t/b/d/e`, text('new'))).toBe('created');
      await store.driver.put(`${folder}t/b/c`, text('new'));
      await store.driver.put(`${folder}t/a`, text('new'), { durable: false });
      expect(await keysOf(store.driver, `${folder}t/`)).toEqual(below);
      await store.driver.deleteAll(`${folder}never/was/`);
    });
  });

  describe('names at the limit', () => {
    test('of 255 characters work everywhere', async () => {
      const folder = store.freshFolder();
      const keys = [`${folder}${LONG}`, `${folder}y/${LONG.replace('x', 'y')}/${LONG}`];
      for (const key of keys) {
        expect(await store.driver.create(key, text('one'))).toBe('created');
        expect(await store.driver.create(key, text('two'))).toBe('taken');
        expect(await textOf(store.driver, key)).toBe('one');
        if (store.replacesLongNames) {
          await store.driver.put(key, text('two'));
          await store.driver.put(key, text('three'), { durable: false });
          expect(await textOf(store.driver, key)).toBe('three');
        }
        await store.driver.confirm(key);
      }
      expect(await keysOf(store.driver, folder)).toEqual(keys);
      expect(await store.driver.delete(keys)).toEqual([]);
      expect(await keysOf(store.driver, folder)).toEqual([]);
    });

    test('with every allowed character are distinct', async () => {
      const folder = store.freshFolder();
      const names = ['+', '-', '.a', '0', ':', '@', 'A', '_', '__a', '_log', 'a', 'a b', 'aA', 'aa', '~', '%2F', 'a+b'];
      for (const name of names) await store.driver.create(folder + name, text(name));
      for (const name of names) expect(await textOf(store.driver, folder + name)).toBe(name);
      expect(await keysOf(store.driver, folder)).toEqual(names.map((name) => folder + name).sort());
    });
  });

  describe('concurrent independent operations', () => {
    test('do not interfere', async () => {
      const folder = store.freshFolder();
      const work = Array.from({ length: 64 }, async (_, index) => {
        const key = `${folder}${index % 5}/${index}`;
        const bytes = random(index * 100);
        await (index % 2 === 0 ? store.driver.create(key, bytes) : store.driver.put(key, bytes));
        if (index % 3 === 0) await store.driver.delete([key]);
        const read = await store.driver.read(key);
        if (index % 3 === 0) expect(read).toBeUndefined();
        else expect(Buffer.compare(read ?? text('missing'), bytes)).toBe(0);
      });
      await Promise.all(work);
      expect(await keysOf(store.driver, folder)).toHaveLength(64 - 22);
    });
  });
}
