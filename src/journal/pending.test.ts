import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBatches, events } from '../../test/support/generators.ts';
import { factsOf, foldOf, slotsOf, slotTime } from '../../test/support/slots.ts';
import { PendingFacts } from './pending.ts';

describe('pending facts', () => {
  test('are what the fold will say once the batch is written, after each of its events', () => {
    fc.assert(
      fc.property(eventBatches, fc.array(events, { maxLength: 12 }), (batches, batch) => {
        const base = foldOf(slotsOf(batches));
        const before = factsOf(base);
        const pending = new PendingFacts(base, slotTime(batches.length + 1));
        expect(factsOf(pending)).toEqual(before);
        for (const [index, event] of batch.entries()) {
          pending.absorb(event);
          expect(factsOf(pending)).toEqual(factsOf(foldOf(slotsOf([...batches, batch.slice(0, index + 1)]))));
        }
        expect(factsOf(base)).toEqual(before);
      }),
    );
  });
});
