import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBatches } from '../../test/support/generators.ts';
import { foldOf, slotsOf } from '../../test/support/slots.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { Digest, Incarnation } from '../oci/names.ts';
import { Links } from './links.ts';

type Listed = readonly [Digest, Incarnation, number];

function linksOf(batches: readonly (readonly JournalEvent[])[]): Listed[] {
  const links = new Links();
  for (const events of batches) links.apply(events);
  return [...links].map(({ digest, inc, size }): Listed => [digest, inc, size]).sort();
}

function foldedLinks(batches: readonly (readonly JournalEvent[])[]): Listed[] {
  const { blobs, manifests } = foldOf(slotsOf(batches));
  return [...blobs, ...manifests].map(([digest, { inc, size }]): Listed => [digest, inc, size]).sort();
}

test('the links of a whole log are those of its fold', () => {
  fc.assert(fc.property(eventBatches, (batches) => expect(linksOf(batches)).toEqual(foldedLinks(batches))));
});

test('the links of later slots are all that the fold at the end has and that at their beginning does not have', () => {
  fc.assert(
    fc.property(eventBatches, fc.nat({ max: 25 }), (batches, from) => {
      const before = foldedLinks(batches.slice(0, from)).map(String);
      const added = linksOf(batches.slice(from)).map(String);
      for (const link of foldedLinks(batches).map(String)) if (!before.includes(link)) expect(added).toContain(link);
    }),
  );
});
