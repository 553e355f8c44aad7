import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { countingIncarnations } from '../../test/support/deterministic.ts';
import {
  commandOf,
  EVENTS_BEGIN,
  eventBatches,
  FEW,
  type Operation,
  operations,
} from '../../test/support/generators.ts';
import { History } from '../../test/support/history.ts';
import { factsOf, foldOf, slotsOf, slotTime } from '../../test/support/slots.ts';
import type { JournalEvent } from './events.ts';
import { RepositoryState } from './fold.ts';

const [inc, otherInc] = FEW.incarnations as [(typeof FEW.incarnations)[number], (typeof FEW.incarnations)[number]];
const [digest] = FEW.blobs as [(typeof FEW.blobs)[number]];

function historyOf(batches: readonly (readonly JournalEvent[])[]): History {
  const history = new History();
  for (const [index, events] of batches.entries()) history.add(events, slotTime(index + 1));
  return history;
}

/** The batches that a registry writes for these operations, one each; operations that are refused leave none. */
async function batchesOf(some: readonly Operation[]): Promise<JournalEvent[][]> {
  const newId = countingIncarnations(() => EVENTS_BEGIN);
  const batches: JournalEvent[][] = [];
  for (const operation of some) {
    const decision = await commandOf(operation, newId).decide(foldOf(slotsOf(batches)));
    if (decision.kind === 'accepted' && decision.events.length > 0) batches.push([...decision.events]);
  }
  return batches;
}

describe('the fold', () => {
  test('says what looking through all events says, for any events', () => {
    fc.assert(
      fc.property(eventBatches, (batches) => {
        const state = foldOf(slotsOf(batches));
        const history = historyOf(batches);
        expect(factsOf(state)).toEqual(factsOf(history));
        expect(state.tagNames.page(undefined, 100).names).toEqual(history.tagNames());
        for (const subject of FEW.manifests) {
          expect([...(state.referrers.get(subject) ?? [])].sort()).toEqual(history.referrers(subject));
        }
      }),
    );
  });

  test('knows what the repository uses', () => {
    fc.assert(
      fc.property(eventBatches, (batches) => {
        const history = historyOf(batches);
        let bytes = 0;
        for (const each of [...FEW.blobs, ...FEW.manifests])
          bytes += (history.blob(each)?.size ?? 0) + (history.manifest(each)?.size ?? 0);
        expect(foldOf(slotsOf(batches)).usage).toEqual({
          seq: batches.length,
          exists: history.exists,
          bytes,
          tags: history.tagNames().length,
        });
      }),
    );
  });

  test('knows when each tag was set, and since when a manifest may have been without a tag', () => {
    fc.assert(
      fc.property(eventBatches, (batches) => {
        const state = foldOf(slotsOf(batches));
        const history = historyOf(batches);
        for (const tag of FEW.tags) expect(state.tagTimes.get(tag)).toBe(history.tagTime(tag));
        for (const each of FEW.manifests) expect(state.untaggedSince(each)).toBe(history.untaggedSince(each));
        for (const each of state.released.keys()) expect(state.manifests.has(each)).toBe(true);
      }),
    );
  });

  test('counts what it was given to use; deletes and fences are none of it', () => {
    const puts = (...batches: JournalEvent[][]): number => foldOf(slotsOf(batches)).puts;
    const set: JournalEvent = { type: 'tag.set', tag: FEW.tags[0] as (typeof FEW.tags)[number], digest };
    const put: JournalEvent = { type: 'manifest.put', digest, size: 1, inc, mediaType: 'a/b', refs: [] };
    expect(puts([put, set], [put])).toBe(3);
    const rest: JournalEvent[] = [
      { type: 'tag.deleted', tag: set.tag, prev: digest },
      { type: 'manifest.deleted', digest, inc },
      { type: 'gc.fence', epoch: inc },
      { type: 'repo.deleted' },
    ];
    expect(puts([put, set], rest)).toBe(2);
  });

  test('counts references and referrers of what is there only: nothing is left when everything was deleted', () => {
    fc.assert(
      fc.property(eventBatches, (batches) => {
        const removals = [
          ...FEW.manifests.map((each): JournalEvent => ({ type: 'manifest.deleted', digest: each, inc })),
          ...FEW.tags.map((tag): JournalEvent => ({ type: 'tag.deleted', tag, prev: digest })),
        ];
        const state = foldOf(slotsOf([...batches, removals]));
        expect([state.manifests.size, state.tags.size, state.referrers.size, state.referenced.size]).toEqual([
          0, 0, 0, 0,
        ]);
      }),
    );
  });

  test('keeps of every incarnation either its link or when it was unlinked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operations, { maxLength: 30 }), async (some) => {
        const batches = await batchesOf(some);
        const state = foldOf(slotsOf(batches));
        const live = [...state.blobs.values(), ...state.manifests.values()].map((each) => each.inc);
        const ever = batches.flat().flatMap((event) => ('inc' in event ? [event.inc] : []));
        expect([...live, ...state.tombstones.keys()].sort()).toEqual([...new Set(ever)].sort());
      }),
    );
  });

  test('forgets tombstones older than a fence says, and no younger one', () => {
    const unlink = (each: typeof inc): JournalEvent => ({ type: 'blob.unlinked', digest, inc: each });
    const fence = (forget: number | undefined): JournalEvent => ({
      type: 'gc.fence',
      epoch: inc,
      ...(forget === undefined ? {} : { forget: new Date(forget).toISOString() }),
    });
    const until = (forget: number | undefined) => [
      ...foldOf(slotsOf([[unlink(inc)], [unlink(otherInc)], [fence(forget)]])).tombstones.keys(),
    ];
    expect(until(undefined)).toEqual([inc, otherInc]);
    expect(until(slotTime(1))).toEqual([inc, otherInc]);
    expect(until(slotTime(1) + 1)).toEqual([otherInc]);
    expect(until(slotTime(2) + 1)).toEqual([]);
  });

  test('a fence makes no repository exist; any other event does, also after the repository was deleted', () => {
    const link: JournalEvent = { type: 'blob.linked', digest, size: 1, inc };
    const fence: JournalEvent = { type: 'gc.fence', epoch: inc };
    const exists = (...batches: JournalEvent[][]): boolean => foldOf(slotsOf(batches)).exists;
    expect(exists()).toBe(false);
    expect(exists([fence])).toBe(false);
    expect(exists([link])).toBe(true);
    expect(exists([link], [{ type: 'repo.deleted' }])).toBe(false);
    expect(exists([link], [{ type: 'repo.deleted' }], [fence])).toBe(false);
    expect(exists([link], [{ type: 'repo.deleted' }], [link])).toBe(true);
  });

  test('takes slots only in order, and only on the slot that they follow', () => {
    const [first, second, third] = slotsOf([1, 2, 3].map(() => [{ type: 'repo.deleted' as const }]));
    if (first === undefined || second === undefined || third === undefined) return expect.unreachable();
    const state = new RepositoryState();
    expect(() => state.apply(second.batch, second.hash)).toThrow('slot 2 does not follow slot 0');
    state.apply(first.batch, first.hash);
    expect(() => state.apply(first.batch, first.hash)).toThrow('slot 1 does not follow slot 1');
    expect(() => state.apply(third.batch, third.hash)).toThrow('slot 3 does not follow slot 1');
    expect(() => state.apply({ ...second.batch, prev: third.hash }, second.hash)).toThrow('slot 2 does not follow');
    expect(state.seq).toBe(1);
    state.apply(second.batch, second.hash);
    expect([state.seq, state.hash]).toEqual([2, second.hash]);
  });

  test('weighs what annotations and references take, as long as they are there', () => {
    const put: JournalEvent = {
      ...{ type: 'manifest.put', digest, size: 1, inc, mediaType: 'a/b', subject: digest, refs: [] },
      annotations: { long: 'x'.repeat(1_000_000) },
    };
    const held = foldOf(slotsOf([[put]])).weight;
    expect(held).toBeGreaterThan(1_000_000);
    expect(foldOf(slotsOf([[put], [put]])).weight).toBeWithin(held, held + 1_000);
    for (const end of [{ type: 'manifest.deleted', digest, inc } as const, { type: 'repo.deleted' } as const]) {
      expect(foldOf(slotsOf([[put], [end]])).weight).toBeLessThan(10_000);
    }
  });

  test('weighs more for everything that is in it, and no less than an empty one when all is gone', () => {
    const empty = new RepositoryState().weight;
    fc.assert(
      fc.property(eventBatches, (batches) => {
        expect(foldOf(slotsOf(batches)).weight).toBeGreaterThanOrEqual(empty);
      }),
    );
  });
});
