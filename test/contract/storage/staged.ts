import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { ALGORITHMS, type Algorithm, digestOf } from '../../../src/oci/digest.ts';
import type { StagedPlace, StagedProgress, StagedWrite } from '../../../src/storage/driver.ts';
import { dataKey } from '../../../src/storage/paths.ts';
import { algorithms } from '../../support/generators.ts';
import { freshPlace, keepNothing, random, type Store, text } from './store.ts';

const MIB = 1024 * 1024;

/** What happens to a staged object: bytes, a settle, or a new hold on it from an earlier size. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        size: fc.oneof(fc.nat({ max: 200 }), fc.constantFrom(0, 65_536, MIB - 1, MIB, MIB + 1)),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('hold again' as const), share: fc.constantFrom(0, 0.5, 1) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const) }) },
  ),
  { maxLength: 12 },
);

export function stagedContract(store: Store): void {
  /** Stages these bytes in one go. */
  async function stage(
    place: StagedPlace,
    bytes: Uint8Array,
    from = 0,
    algorithm: Algorithm = 'sha256',
  ): Promise<StagedProgress> {
    const write = await store.driver.stage(place, from, algorithm, keepNothing);
    await write.write(bytes.slice());
    const progress = await write.settle();
    await write.release();
    return progress;
  }

  async function committed(place: StagedPlace): Promise<Uint8Array | undefined> {
    return await store.driver.read(dataKey(place.inc));
  }

  function expectBytes(found: Uint8Array | undefined, expected: Uint8Array): void {
    expect(found?.length).toBe(expected.length);
    expect(Buffer.compare(found ?? text('missing'), expected)).toBe(0);
  }

  describe('a staged object', () => {
    test('holds what was written, whatever the chunks, the settles, the holds and the drops', async () => {
      await fc.assert(
        fc.asyncProperty(steps, algorithms, async (some, algorithm) => {
          const place = freshPlace();
          // What the hold that is open began with, and what it has added.
          let kept = new Uint8Array();
          let added: Uint8Array[] = [];
          let write: StagedWrite = await store.driver.stage(place, 0, algorithm, keepNothing);
          const settle = async (): Promise<Uint8Array> => {
            const bytes = new Uint8Array(Buffer.concat([kept, ...added]));
            expect(await write.settle()).toEqual({ size: bytes.length, digest: digestOf(algorithm, bytes) });
            return bytes;
          };
          for (const step of some) {
            if (step.kind === 'write') {
              const bytes = random(step.size);
              added.push(bytes);
              await write.write(bytes.slice());
            } else if (step.kind === 'settle') {
              await settle();
            } else {
              let bytes = kept;
              if (step.kind === 'hold again') {
                const all = await settle();
                await write.release();
                bytes = all.slice(0, Math.floor(all.length * step.share));
              } else {
                await write.drop();
              }
              kept = new Uint8Array(bytes);
              added = [];
              write = await store.driver.stage(place, kept.length, algorithm, keepNothing);
            }
          }
          const bytes = await settle();
          await write.release();
          expect(await store.driver.commit(place, bytes.length)).toBe(true);
          expectBytes(await committed(place), bytes);
        }),
        { numRuns: 40 },
      );
    }, 60_000);

    test('is no object before it is committed', async () => {
      const place = freshPlace();
      await stage(place, random(10));
      expect(await store.driver.head(dataKey(place.inc))).toBeUndefined();
    });

    test.each([...ALGORITHMS])(
      'is hashed with %s as it is written, and any part of it afterwards',
      async (algorithm) => {
        const place = freshPlace();
        const bytes = random(3 * MIB + 7);
        expect(await stage(place, bytes, 0, algorithm)).toEqual({
          size: bytes.length,
          digest: digestOf(algorithm, bytes),
        });
        for (const size of [0, 1, 1000, 2 * MIB, bytes.length]) {
          for (const each of ALGORITHMS) {
            expect(await store.driver.digestStaged(place, size, each)).toBe(digestOf(each, bytes.subarray(0, size)));
          }
        }
        expect(await store.driver.digestStaged(place, bytes.length + 1, algorithm)).toBeUndefined();
        expect(await store.driver.digestStaged(freshPlace(), 0, algorithm)).toBeUndefined();
      },
    );

    test('is hashed right by a hold in the other algorithm', async () => {
      const place = freshPlace();
      const [one, two, three] = [random(1000), random(2000), random(3000)];
      await stage(place, one, 0, 'sha256');
      const both = Buffer.concat([one, two]);
      expect((await stage(place, two, one.length, 'sha512')).digest).toBe(digestOf('sha512', both));
      const all = Buffer.concat([both, three]);
      expect((await stage(place, three, both.length, 'sha256')).digest).toBe(digestOf('sha256', all));
    });

    test('loses what lies beyond the bytes that a new hold counts', async () => {
      const place = freshPlace();
      const bytes = random(5000);
      await stage(place, bytes);
      const write = await store.driver.stage(place, 1000, 'sha256', keepNothing);
      expect(await write.settle()).toEqual({ size: 1000, digest: digestOf('sha256', bytes.subarray(0, 1000)) });
      await write.release();
      expect(await store.driver.digestStaged(place, 1001, 'sha256')).toBeUndefined();
      expect(await store.driver.commit(place, 1001)).toBe(false);
      expect(await store.driver.commit(place, 1000)).toBe(true);
      expectBytes(await committed(place), bytes.subarray(0, 1000));
    });

    test('begun anew is empty', async () => {
      const place = freshPlace();
      await stage(place, random(5000));
      const write = await store.driver.stage(place, 0, 'sha256', keepNothing);
      expect((await write.settle()).size).toBe(0);
      await write.release();
      expect(await store.driver.commit(place, 1)).toBe(false);
    });

    test('cannot be gone on with behind its end, and trying changes nothing', async () => {
      const [there, never] = [freshPlace(), freshPlace()];
      const bytes = random(100);
      await stage(there, bytes);
      for (const place of [there, never]) {
        const error: unknown = await store.driver
          .stage(place, 101, 'sha256', keepNothing)
          .catch((reason: unknown) => reason);
        expect(error).toMatchObject({ name: 'RegistryError', kind: 'upload-unknown' });
      }
      expect(await store.driver.digestStaged(there, 100, 'sha256')).toBe(digestOf('sha256', bytes));
      expect(await store.driver.digestStaged(never, 0, 'sha256')).toBeUndefined();
    });

    test('dropped keeps what the hold began with, though more was settled', async () => {
      const place = freshPlace();
      const bytes = random(1000);
      await stage(place, bytes);
      const write = await store.driver.stage(place, 1000, 'sha256', keepNothing);
      await write.write(random(2 * MIB));
      await write.settle();
      await write.write(random(100));
      await write.drop();
      expect(await store.driver.digestStaged(place, 1000, 'sha256')).toBe(digestOf('sha256', bytes));
      expect(await store.driver.digestStaged(place, 1001, 'sha256')).toBeUndefined();
      const more = random(10);
      expect((await stage(place, more, 1000)).digest).toBe(digestOf('sha256', Buffer.concat([bytes, more])));
    });
  });

  describe('commit', () => {
    test('of all bytes, of fewer, and of none makes an object of just that size', async () => {
      const bytes = random(2000);
      for (const size of [2000, 1999, 1, 0]) {
        const place = freshPlace();
        await stage(place, bytes);
        expect(await store.driver.commit(place, size)).toBe(true);
        expectBytes(await committed(place), bytes.subarray(0, size));
        expect(await store.driver.head(dataKey(place.inc))).toEqual({ size });
      }
    });

    test('repeated after it happened is true again, and harmless', async () => {
      const place = freshPlace();
      const bytes = random(2000);
      await stage(place, bytes);
      for (let time = 0; time < 3; time++) expect(await store.driver.commit(place, 2000)).toBe(true);
      expectBytes(await committed(place), bytes);
      expect(await store.driver.commit(place, 2001)).toBe(false);
      expect(await store.driver.commit(place, 1999)).toBe(false);
      expectBytes(await committed(place), bytes);
    });

    test('of more bytes than are there is false, and makes nothing', async () => {
      const place = freshPlace();
      await stage(place, random(100));
      expect(await store.driver.commit(place, 101)).toBe(false);
      expect(await committed(place)).toBeUndefined();
      expect(await store.driver.commit(place, 100)).toBe(true);
      expect(await store.driver.commit(freshPlace(), 0)).toBe(false);
    });

    test('takes the staged bytes away', async () => {
      const place = freshPlace();
      const bytes = random(100);
      await stage(place, bytes);
      await store.driver.commit(place, 100);
      const error: unknown = await stage(place, bytes, 100).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'RegistryError', kind: 'upload-unknown' });
      // What can be read back is the object.
      expect(await store.driver.digestStaged(place, 100, 'sha512')).toBe(digestOf('sha512', bytes));
      await store.driver.delete([dataKey(place.inc)]);
      expect(await store.driver.digestStaged(place, 0, 'sha256')).toBeUndefined();
    });
  });

  describe('discard', () => {
    test('removes what is staged, once or twice, and nothing that was committed', async () => {
      const [one, two] = [freshPlace(), freshPlace()];
      const bytes = random(100);
      for (const place of [one, two]) await stage(place, bytes);
      await store.driver.commit(two, 100);
      for (const place of [one, one, two, freshPlace()]) await store.driver.discard(place);
      expect(await store.driver.digestStaged(one, 0, 'sha256')).toBeUndefined();
      expect(await store.driver.commit(one, 100)).toBe(false);
      expectBytes(await committed(two), bytes);
    });
  });
}
