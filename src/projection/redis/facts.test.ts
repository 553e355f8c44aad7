import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { events, FEW } from '../../../test/support/generators.ts';
import { foldOf, slotsOf } from '../../../test/support/slots.ts';
import type { Digest, Tag } from '../../oci/names.ts';
import { PartialFacts, queriesOf } from './facts.ts';
import { stepFrom, stepsOf } from './operations.ts';
import { decodeLink, decodeRecord, encodeLink, encodeRecord } from './records.ts';

const [one, two] = FEW.manifests as [Digest, Digest];

describe('the facts of a group of commands', () => {
  test('are queried once each', () => {
    const needs = [{ blobs: [one], tags: ['x' as Tag] }, {}, { blobs: [one, two], tagsOf: [one], references: [one] }];
    expect(queriesOf(needs)).toEqual([
      ['b', one],
      ['t', 'x'],
      ['b', two],
      ['o', one],
      ['r', one],
    ]);
  });

  test('that were not declared are an error, not absent', () => {
    const facts = new PartialFacts(true, [['b', one]], [null]);
    expect(facts.blob(one)).toBeUndefined();
    for (const wrong of [
      () => facts.blob(two),
      () => facts.manifest(one),
      () => facts.tag('x' as Tag),
      () => facts.tagsOf(one),
      () => facts.references(one),
    ]) {
      expect(wrong).toThrow('does not declare');
    }
  });
});

describe('links and records', () => {
  test('survive encoding and decoding, whatever they contain', () => {
    fc.assert(
      fc.property(fc.array(fc.array(events, { minLength: 1 }), { maxLength: 5 }), (batches) => {
        const state = foldOf(slotsOf(batches));
        for (const link of state.blobs.values()) expect(decodeLink(encodeLink(link))).toEqual(link);
        for (const record of state.manifests.values()) expect(decodeRecord(encodeRecord(record))).toEqual(record);
      }),
    );
  });
});

describe('steps', () => {
  test('hold all operations in order, never too many, never none', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 400_000 }), { maxLength: 40 }), fc.nat({ max: 600 }), (lengths, more) => {
        const long = lengths.map((length) => ['T', 'x'.repeat(length), '', ''] as const);
        const operations = [...long, ...Array.from({ length: more }, () => ['T', 'y', '', ''] as const)];
        const seen: unknown[] = [];
        while (seen.length < operations.length) {
          const step = stepFrom(operations, seen.length);
          expect(step.length).toBeGreaterThan(0);
          expect(step.length).toBeLessThanOrEqual(250);
          seen.push(...step);
        }
        expect(seen).toEqual([...operations]);
      }),
      { numRuns: 30 },
    );
  });

  test('of a state contain all of it', () => {
    const state = foldOf(slotsOf([[{ type: 'tag.set', tag: 'x' as Tag, digest: one }]]));
    expect([...stepsOf(state)]).toEqual([[['T', 'x', one, '-']]]);
  });
});
