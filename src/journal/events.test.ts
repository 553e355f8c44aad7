import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { eventBatches, events, FEW, repositoryNames } from '../../test/support/generators.ts';
import { REPO, slotsOf } from '../../test/support/slots.ts';
import { canonicalJson } from './canonical.ts';
import { BATCH_VERSION, type Batch, decodeBatch, encodeBatch, hashSlot, NO_SLOT } from './events.ts';

const [inc] = FEW.incarnations;
const [digest] = FEW.blobs;
const valid = {
  v: BATCH_VERSION,
  repo: REPO,
  seq: 1,
  prev: NO_SLOT,
  batch: inc,
  node: 'n',
  at: '2030-01-01T00:00:00.000Z',
  events: [{ type: 'blob.linked', digest, size: 1, inc }],
};

function problemOf(value: unknown): string {
  const decoded = decodeBatch(canonicalJson(value));
  return 'problem' in decoded ? decoded.problem : 'none';
}

describe('batches', () => {
  test('come back as they were written, and so do their bytes', () => {
    fc.assert(
      fc.property(
        repositoryNames,
        fc.array(events, { minLength: 1, maxLength: 10 }),
        fc.string(),
        (repo, some, node) => {
          const [written] = slotsOf([some], repo);
          const batch: Batch = { ...(written?.batch ?? expect.unreachable()), node };
          const decoded = decodeBatch(encodeBatch(batch));
          expect(decoded).toEqual({ batch });
          if ('batch' in decoded) expect(encodeBatch(decoded.batch)).toEqual(encodeBatch(batch));
        },
      ),
    );
  });

  test('carry the hash of the slot before, from nothing on', () => {
    fc.assert(
      fc.property(eventBatches, (batches) => {
        let prev = NO_SLOT;
        for (const { batch, bytes, hash } of slotsOf(batches)) {
          expect(batch.prev).toBe(prev);
          expect(hash).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
          prev = hash;
        }
      }),
    );
  });

  test('the hash of a slot depends on each of its bytes', () => {
    const bytes = encodeBatch(slotsOf([[{ type: 'repo.deleted' }]])[0]?.batch ?? expect.unreachable());
    const hashes = new Set([hashSlot(bytes)]);
    for (let i = 0; i < bytes.length; i++) hashes.add(hashSlot(bytes.with(i, (bytes[i] ?? 0) ^ 1)));
    expect(hashes.size).toBe(bytes.length + 1);
  });

  test('of a higher version are refused, whatever else is in them', () => {
    expect(problemOf({ ...valid, v: BATCH_VERSION + 1 })).toContain(`version ${BATCH_VERSION + 1}`);
    expect(problemOf({ v: 99, all: 'new' })).toContain('version 99');
  });

  test('with an event of an unknown type are refused, never skipped', () => {
    expect(problemOf({ ...valid, events: [...valid.events, { type: 'blob.painted', digest }] })).toContain('events.1');
  });

  test.each<[string, unknown]>([
    ['no object', 'text'],
    ['no version', { ...valid, v: undefined }],
    ['a fraction of a version', { ...valid, v: 0.5 }],
    ['no repository name', { ...valid, repo: 'UPPER' }],
    ['slot 0', { ...valid, seq: 0 }],
    ['a fraction of a slot', { ...valid, seq: 1.5 }],
    ['no hash of the slot before', { ...valid, prev: undefined }],
    ['a batch that is no ULID', { ...valid, batch: 'x' }],
    ['a time that is none', { ...valid, at: 'yesterday' }],
    ['no events', { ...valid, events: [] }],
    ['an event without a type', { ...valid, events: [{}] }],
    ['a digest that is none', { ...valid, events: [{ type: 'blob.linked', digest: 'sha256:x', size: 1, inc }] }],
    ['an unknown algorithm', { ...valid, events: [{ type: 'blob.linked', digest: 'md5:00', size: 1, inc }] }],
    ['a negative size', { ...valid, events: [{ type: 'blob.linked', digest, size: -1, inc }] }],
    ['an incarnation that is none', { ...valid, events: [{ type: 'blob.linked', digest, size: 1, inc: 'x' }] }],
    ['an illegal tag', { ...valid, events: [{ type: 'tag.set', tag: '-x', digest }] }],
    ['a fence without an epoch', { ...valid, events: [{ type: 'gc.fence' }] }],
  ])('with %s are refused with a reason', (_, value) => {
    expect(problemOf(value)).not.toBe('none');
    expect(problemOf(value)).not.toContain('\n');
  });

  test('that are torn anywhere are refused', () => {
    const bytes = canonicalJson(valid);
    expect(problemOf(valid)).toBe('none');
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeBatch(bytes.subarray(0, length))).toHaveProperty('problem');
    }
  });

  test('that are not UTF-8 are refused', () => {
    expect(decodeBatch(new Uint8Array([0x22, 0xff, 0x22]))).toHaveProperty('problem');
  });

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 50 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(decodeBatch(bytes)).toHaveProperty('problem');
        },
      ),
    );
  });
});
