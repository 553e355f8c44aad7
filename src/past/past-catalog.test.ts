import { expect, test } from 'bun:test';
import type { RepositoryName } from '../oci/names.ts';
import type { Page } from '../projection/projection.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { markerKey } from '../storage/paths.ts';
import { MarkedNames } from './past-catalog.ts';

const MINUTE = 60_000;
const name = (text: string): RepositoryName => text as RepositoryName;

/** Counts how often all markers are listed. */
class ListingDriver extends MemoryDriver {
  listings = 0;

  override list(...call: Parameters<MemoryDriver['list']>): ReturnType<MemoryDriver['list']> {
    this.listings++;
    return super.list(...call);
  }
}

function open(...repositories: readonly string[]) {
  const driver = new ListingDriver();
  const clock = { now: 0 };
  const existing = new Set(repositories);
  const add = async (repo: string): Promise<void> => {
    await driver.create(markerKey(name(repo)), new Uint8Array());
    existing.add(repo);
  };
  const today = (after: string | undefined, limit: number): Page<RepositoryName> => {
    const names = [...existing].filter((each) => after === undefined || each > after).sort();
    return { items: names.slice(0, limit).map(name), more: names.length > limit };
  };
  const marked = new MarkedNames({ reader: driver, today, now: () => clock.now });
  const pages = async (settled: number, limit: number): Promise<string[]> => {
    const found: string[] = [];
    for (let after: string | undefined; ; ) {
      const { items, more } = await marked.page(settled, after, limit);
      found.push(...items);
      after = items.at(-1);
      if (!more) return found;
    }
  };
  return { driver, clock, existing, add, pages };
}

test('names come in pages, sorted by their characters, also those of repositories that were deleted', async () => {
  const { add, pages, existing } = open();
  for (const each of ['team/app', 'team-a/x', 'a', 'b/c', 'gone/app']) await add(each);
  existing.delete('gone/app');
  for (const limit of [1, 2, 3, 10])
    expect(await pages(-1, limit)).toEqual(['a', 'b/c', 'gone/app', 'team-a/x', 'team/app']);
});

test('moments that were over when the markers were listed need no other list', async () => {
  const { driver, clock, add, pages } = open();
  await add('a');
  clock.now = 10 * MINUTE;
  expect(await pages(MINUTE, 10)).toEqual(['a']);
  const { listings } = driver;
  await add('b');
  clock.now = 600 * MINUTE;
  expect(await pages(5 * MINUTE, 10)).toEqual(['a']);
  expect(driver.listings).toBe(listings);
  expect(await pages(11 * MINUTE, 10)).toEqual(['a', 'b']);
});

test('a moment that is not over shows at once what exists now', async () => {
  const { driver, clock, add, pages, existing } = open();
  await add('b');
  expect(await pages(MINUTE, 10)).toEqual(['b']);
  const { listings } = driver;
  await add('a');
  await add('c');
  existing.delete('b');
  clock.now = 1_000;
  for (const limit of [1, 2, 10]) expect(await pages(MINUTE, limit)).toEqual(['a', 'b', 'c']);
  expect(driver.listings).toBe(listings);
});
