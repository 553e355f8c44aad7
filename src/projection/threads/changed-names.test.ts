import { expect, test } from 'bun:test';
import type { RepositoryName } from '../../oci/names.ts';
import { ChangedNames } from './changed-names.ts';

/** Layout of the memory: the count and the numbers of all entries, then their hashes and names. */
const ENTRIES = 1_024;
const NUMBERS_BYTES = (1 + ENTRIES) * BigInt64Array.BYTES_PER_ELEMENT;

const named = (name: string): RepositoryName => name as RepositoryName;

test('each thread gets the names since it asked last, in their order', () => {
  const memory = new SharedArrayBuffer(ChangedNames.BYTES + 8);
  const [one, other] = [new ChangedNames(memory, 8), new ChangedNames(memory, 8)];
  const begin = other.count();
  const long = named('x'.repeat(255));
  for (const name of ['a', 'b/c', 'a', long]) one.add(named(name));
  const news = other.since(begin);
  expect(news?.names).toEqual(['a', 'b/c', 'a', long] as RepositoryName[]);
  expect(other.since(news?.count ?? begin)?.names).toEqual([]);
  expect(news?.count).toBe(one.count());
});

test('who is too far behind gets no names, and goes on from then', () => {
  const names = new ChangedNames(new SharedArrayBuffer(ChangedNames.BYTES), 0);
  const begin = names.count();
  for (let index = 0; index < 1_024; index++) names.add(named(`r${index}`));
  expect(names.since(begin)?.names).toHaveLength(1_024);
  names.add(named('last'));
  expect(names.since(begin)).toBeUndefined();
  const now = names.count();
  names.add(named('next'));
  expect(names.since(now)?.names).toEqual([named('next')]);
});

test('a name that is only partly written is not read', () => {
  const memory = new SharedArrayBuffer(ChangedNames.BYTES);
  const names = new ChangedNames(memory, 0);
  const begin = names.count();
  names.add(named('abc'));
  const bytes = new Uint8Array(memory);
  const place = bytes.findIndex((byte, index) => byte === 3 && bytes[index + 1] === 97 && bytes[index + 2] === 98);
  expect(place).toBeGreaterThan(0);
  bytes[place + 1] = 122;
  expect(names.since(begin)).toBeUndefined();
});

test('a name that a suspended thread writes over that of a later change is not taken for it', () => {
  const memory = new SharedArrayBuffer(ChangedNames.BYTES);
  const [bytes, names] = [new Uint8Array(memory), new ChangedNames(memory, 0)];
  names.add(named('early'));
  const early = bytes.slice(NUMBERS_BYTES);
  for (let index = 0; index < ENTRIES - 1; index++) names.add(named(`r${index}`));
  const before = names.count();
  names.add(named('late'));
  expect(names.since(before)?.names).toEqual([named('late')]);
  // Both have the same entry. The suspended thread goes on, and has not written its number yet.
  bytes.set(early, NUMBERS_BYTES);
  expect(names.since(before)).toBeUndefined();
});
