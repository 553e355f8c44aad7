import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBatches } from '../../test/support/generators.ts';
import { foldOf, REPO, slotsOf } from '../../test/support/slots.ts';
import type { Digest, Incarnation, Tag } from '../oci/names.ts';
import { differenceOf } from './difference.ts';
import { FOLD_VERSION, type RepositoryState } from './fold.ts';
import { decodeSnapshot, encodeSnapshot, foldVersionOf } from './snapshot.ts';

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const INC = '01J00000000000000000000000' as Incarnation;
const V1 = 'v1' as Tag;
const slots = slotsOf([
  [{ type: 'blob.linked', digest: DIGEST, size: 3, inc: INC }],
  [{ type: 'tag.set', tag: V1, digest: DIGEST }],
]);

test('a fold and the snapshot of it do not differ', async () => {
  await fc.assert(
    fc.asyncProperty(eventBatches, async (batches) => {
      const state = foldOf(slotsOf(batches));
      if (state.seq === 0) return;
      const restored = await decodeSnapshot(REPO, await encodeSnapshot(REPO, state));
      if (restored === undefined) return expect.unreachable();
      expect(differenceOf(state, restored)).toBeUndefined();
    }),
  );
});

test('anything changed, added or left out is named', () => {
  const changes: [change: (state: RepositoryState) => void, named: string][] = [
    [(state) => state.tags.set('v2' as Tag, DIGEST), 'tags, one of them v2'],
    [(state) => state.tags.delete(V1), 'tags, one of them v1'],
    [(state) => state.blobs.set(DIGEST, { size: 4, inc: INC, since: 0 }), `blobs, one of them ${DIGEST}`],
    [(state) => state.tagTimes.set(V1, 7), 'tagTimes, one of them v1'],
    [(state) => state.released.set(DIGEST, 7), `released, one of them ${DIGEST}`],
    [(state) => state.tombstones.set(INC, 5), `tombstones, one of them ${INC}`],
    [
      (state) => {
        state.exists = false;
      },
      'was deleted',
    ],
  ];
  for (const [change, named] of changes) {
    const other = foldOf(slots);
    change(other);
    expect(differenceOf(foldOf(slots), other)).toContain(named);
  }
});

test('the version of the fold is read from a snapshot of any version, and from nothing else', async () => {
  expect(await foldVersionOf(await encodeSnapshot(REPO, foldOf(slots)))).toBe(FOLD_VERSION);
  expect(await foldVersionOf(await Bun.zstdCompress('{"fold":7,"other":true}'))).toBe(7);
  expect(await foldVersionOf(await Bun.zstdCompress('[]'))).toBeUndefined();
  expect(await foldVersionOf(new TextEncoder().encode('{"fold":1}'))).toBeUndefined();
});
