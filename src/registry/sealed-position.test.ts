import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { repositoryNames } from '../../test/support/generators.ts';
import type { RepositoryName } from '../oci/names.ts';
import { SealedPositions } from './sealed-position.ts';

const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const positions = new SealedPositions(STORE);

test('every node of the store can open a sealed position, which does not reveal the name', () => {
  fc.assert(
    fc.property(repositoryNames, (repo) => {
      const sealed = positions.seal(repo);
      expect(sealed).toMatch(/^~[\w-]+$/);
      expect(new SealedPositions(STORE).open(sealed)).toBe(repo);
      expect(sealed).not.toBe(positions.seal(repo));
      expect(sealed).toHaveLength(positions.seal('a' as RepositoryName).length);
    }),
  );
});

test('a position that was altered or truncated, or is from another store, is refused', () => {
  const sealed = positions.seal('team/secret' as never);
  expect(new SealedPositions('01BX5ZZKBKACTAV9WEVGEMMVRZ').open(sealed)).toBeUndefined();
  for (const text of ['~', '~AAAA', sealed.slice(0, -1), `${sealed.slice(0, 5)}A${sealed.slice(6)}`, 'team/secret', ''])
    expect(text === sealed ? undefined : positions.open(text)).toBeUndefined();
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => expect(positions.open(`~${text}`)).toBeUndefined()));
});
