import { describe, expect, test } from 'bun:test';
import type { RepositoryName } from '../oci/names.ts';
import type { ListedObject } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { markerKey } from '../storage/paths.ts';
import { MemoryCatalog } from './memory-catalog.ts';

const [a, b] = ['a', 'b'].map((name) => name as RepositoryName) as [RepositoryName, RepositoryName];

async function storeWith(...names: readonly RepositoryName[]): Promise<MemoryDriver> {
  const driver = new MemoryDriver();
  for (const name of names) await driver.create(markerKey(name), new Uint8Array());
  return driver;
}

/** A catalog that asks the test whether a repository exists. */
function open(driver: MemoryDriver) {
  const asked: RepositoryName[] = [];
  const answers = new Map<RepositoryName, (exists: boolean) => void>();
  const failures: unknown[] = [];
  const catalog = new MemoryCatalog({
    driver,
    exists: (repo) => {
      asked.push(repo);
      return new Promise((resolve) => answers.set(repo, resolve));
    },
    probes: false,
    listingFailed: (error) => failures.push(error),
  });
  return { catalog, asked, failures, answer: (repo: RepositoryName, exists: boolean) => answers.get(repo)?.(exists) };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the catalog', () => {
  test('asks each log once whether its repository exists', async () => {
    const { catalog, asked, answer } = open(await storeWith(a, b));
    for (let time = 0; time < 2; time++) {
      const page = catalog.page(undefined, 10);
      await turn();
      for (const repo of [a, b]) answer(repo, repo === b);
      expect(await page).toEqual({ items: [b], more: false });
    }
    expect(asked).toEqual([a, b]);
  });

  test('keeps a write that completed during a probe, not the older answer', async () => {
    for (const exists of [true, false]) {
      const { catalog, answer } = open(await storeWith(a));
      const page = catalog.page(undefined, 10);
      await turn();
      catalog.changed(a, exists);
      answer(a, !exists);
      expect((await page).items).toEqual(exists ? [a] : []);
    }
  });

  test('keeps a write that completed during the listing', async () => {
    const driver = await storeWith(a, b);
    const list = driver.list.bind(driver);
    const { promise, resolve } = Promise.withResolvers<void>();
    driver.list = async function* (prefix): AsyncIterable<ListedObject> {
      await promise;
      yield* list(prefix);
    };
    const { catalog, asked } = open(driver);
    const page = catalog.page(undefined, 10);
    catalog.changed(a, true);
    catalog.changed(b, false);
    resolve();
    expect((await page).items).toEqual([a]);
    expect(asked).toEqual([]);
  });

  test('reports a listing that fails in the background once, and the next lookup starts it again', async () => {
    const driver = await storeWith(a);
    const list = driver.list.bind(driver);
    let isDown = true;
    driver.list = async function* (prefix): AsyncIterable<ListedObject> {
      if (isDown) throw new Error('the store is down');
      yield* list(prefix);
    };
    const { catalog, failures } = open(driver);
    for (let lookup = 0; lookup < 3; lookup++) {
      // Two lookups that share one listing.
      expect([catalog.lacks(b), catalog.lacks(b)]).toEqual([false, false]);
      await turn();
    }
    expect(failures).toEqual([new Error('the store is down')]);
    await expect(catalog.page(undefined, 10)).rejects.toThrow('the store is down');
    isDown = false;
    catalog.lacks(b);
    await turn();
    expect([catalog.lacks(b), catalog.lacks(a), failures.length]).toEqual([true, false, 1]);
  });

  test('lists created repositories in order, and no deleted ones', async () => {
    const { catalog } = open(await storeWith());
    const page = async () => (await catalog.page(undefined, 10)).items;
    expect(await page()).toEqual([]);
    catalog.changed(b, true);
    catalog.changed(a, true);
    expect(await page()).toEqual([a, b]);
    catalog.changed(a, false);
    expect(await page()).toEqual([b]);
    catalog.changed(a, true);
    expect(await page()).toEqual([a, b]);
  });
});
