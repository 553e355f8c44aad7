import { expect, test } from 'bun:test';
import { A, CALLER, refusalOf } from '../../test/support/registry.ts';
import { digestFromHex } from '../oci/digest.ts';
import { EmptyOverview } from './empty-overview.ts';
import { LazyOverview } from './lazy-overview.ts';

test('only a caller who may see a repository opens the index, once', async () => {
  let opened = 0;
  let mayAny = false;
  const overview = new LazyOverview({ maySeeAny: () => mayAny }, async () => {
    opened++;
    return new EmptyOverview();
  });
  expect((await overview.search({ text: 'a', offset: 0, limit: 1 }, CALLER)).hits).toEqual([]);
  expect((await overview.repositories({ sort: 'name', limit: 1 }, CALLER)).items).toEqual([]);
  expect(await overview.totals(CALLER)).toMatchObject({ repositories: 0, stored: 0 });
  expect((await overview.storage({ repositories: 1, parts: 1 }, CALLER)).largest).toEqual([]);
  expect((await overview.sharers(digestFromHex('sha256', 'ab'.repeat(32)), A, 1, CALLER)).repositories).toEqual([]);
  expect(await refusalOf(overview.tags(A, { sort: 'name', offset: 0, limit: 1 }, CALLER))).toBe('name-unknown');
  expect(opened).toBe(0);
  mayAny = true;
  await overview.totals(CALLER);
  await overview.totals(CALLER);
  expect(opened).toBe(1);
});
