import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBatches } from '../../test/support/generators.ts';
import { everythingOf, foldOf, REPO, slotsOf } from '../../test/support/slots.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { JournalEvent } from './events.ts';
import { FOLD_VERSION } from './fold.ts';
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts';

const OTHER = 'team/other' as RepositoryName;

function compressed(value: unknown): Promise<Uint8Array> {
  return Bun.zstdCompress(JSON.stringify(value));
}

async function json(bytes: Uint8Array): Promise<Record<string, unknown>> {
  const value: unknown = JSON.parse(new TextDecoder().decode(await Bun.zstdDecompress(bytes)));
  return value as Record<string, unknown>;
}

describe('snapshots', () => {
  test('taken at any point, with the slots after it, are the fold of all slots', async () => {
    await fc.assert(
      fc.asyncProperty(eventBatches, fc.nat(), async (batches, point) => {
        const slots = slotsOf(batches);
        if (slots.length === 0) return;
        const at = 1 + (point % slots.length);
        const state = await decodeSnapshot(REPO, await encodeSnapshot(REPO, foldOf(slots.slice(0, at))));
        if (state === undefined) return expect.unreachable();
        expect(everythingOf(state)).toEqual(everythingOf(foldOf(slots.slice(0, at))));
        for (const { batch, hash } of slots.slice(at)) state.apply(batch, hash);
        expect(everythingOf(state)).toEqual(everythingOf(foldOf(slots)));
      }),
    );
  });

  test('say the state at the moment they are asked for, though it moves on while they are compressed', async () => {
    const slots = slotsOf([[{ type: 'repo.deleted' }], [{ type: 'repo.deleted' }]]);
    const state = foldOf(slots.slice(0, 1));
    const encoding = encodeSnapshot(REPO, state);
    for (const { batch, hash } of slots.slice(1)) state.apply(batch, hash);
    expect((await decodeSnapshot(REPO, await encoding))?.seq).toBe(1);
  });

  test('of many entries are restored in pieces, with pauses between them', async () => {
    const digest = `sha256:${'a'.repeat(64)}` as Digest;
    const tags = Array.from(
      { length: 3_500 },
      (_, n): JournalEvent => ({ type: 'tag.set', tag: `t${n}` as Tag, digest }),
    );
    const state = foldOf(slotsOf([tags]));
    let pauses = 0;
    const restored = await decodeSnapshot(REPO, await encodeSnapshot(REPO, state), async () => {
      pauses++;
    });
    expect(pauses).toBe(3);
    expect(restored?.tags).toEqual(state.tags);
  });

  test('of another repository or another version of the fold are no snapshots', async () => {
    const bytes = await encodeSnapshot(REPO, foldOf(slotsOf([[{ type: 'repo.deleted' }]])));
    expect(await decodeSnapshot(OTHER, bytes)).toBeUndefined();
    const value = await json(bytes);
    expect(await decodeSnapshot(REPO, await compressed(value))).toBeDefined();
    expect(await decodeSnapshot(REPO, await compressed({ ...value, fold: FOLD_VERSION + 1 }))).toBeUndefined();
    expect(await decodeSnapshot(REPO, await compressed({ ...value, seq: 0 }))).toBeUndefined();
  });

  test('that hold something else where entries should be are no snapshots', async () => {
    const value = await json(await encodeSnapshot(REPO, foldOf(slotsOf([[{ type: 'repo.deleted' }]]))));
    for (const field of ['tags', 'tagTimes', 'blobs', 'manifests', 'released', 'tombstones']) {
      for (const wrong of [{}, 'text', [null], [[]], [['only a key']], [[1, 1]], [['key', null]], [['key', 1, 2]]]) {
        expect(await decodeSnapshot(REPO, await compressed({ ...value, [field]: wrong }))).toBeUndefined();
      }
    }
  });

  test('that are torn are no snapshots', async () => {
    const bytes = await encodeSnapshot(REPO, foldOf(slotsOf([[{ type: 'repo.deleted' }]])));
    for (let length = 0; length < bytes.length; length++) {
      expect(await decodeSnapshot(REPO, bytes.subarray(0, length))).toBeUndefined();
    }
    expect(await decodeSnapshot(REPO, new TextEncoder().encode('{}'))).toBeUndefined();
  });
});
