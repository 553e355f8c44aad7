import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { ALGORITHMS, type Algorithm, digestOf } from '../../../src/oci/digest.ts';
import type { StagedPlace, StagedProgress, StagedWrite } from '../../../src/storage/driver.ts';
import { dataKey } from '../../../src/storage/paths.ts';
import { algorithms } from '../../support/generators.ts';
import { freshPlace, KeptUpload, keepNothing, random, type Store, text } from './store.ts';

const MIB = 1024 * 1024;

/** Steps on a staged object: bytes, a settle, or a new hold on it. */
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        size: fc.oneof(fc.nat({ max: 200 }), fc.constantFrom(0, 65_536, MIB - 1, MIB, MIB + 1)),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        // lost: the settled state was never saved, so the session is as before.
        kind: fc.constantFrom('settle' as const, 'hold again' as const, 'lost' as const, 'begin again' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const) }) },
  ),
  { maxLength: 12 },
);

export function stagedContract(store: Store): void {
  /** Stages these bytes in one request. @returns the place, as the session then has it */
  async function stage(
    place: StagedPlace,
    bytes: Uint8Array,
    from = 0,
    algorithm: Algorithm = 'sha256',
  ): Promise<StagedPlace> {
    const upload = new KeptUpload(place);
    upload.size = from;
    const progress = await upload.add(store.driver, bytes, algorithm);
    expect(progress).toMatchObject({ size: from + bytes.length });
    if (from === 0) expect(progress.digest).toBe(digestOf(algorithm, bytes));
    return upload.place;
  }

  async function committed(place: StagedPlace): Promise<Uint8Array | undefined> {
    return await store.driver.read(dataKey(place.inc));
  }

  function expectBytes(found: Uint8Array | undefined, expected: Uint8Array): void {
    expect(found?.length).toBe(expected.length);
    expect(Buffer.compare(found ?? text('missing'), expected)).toBe(0);
  }

  describe('a staged object', () => {
    test('contains what was written, whatever the chunks, flushes and interruptions', async () => {
      await fc.assert(
        fc.asyncProperty(steps, algorithms, async (some, algorithm) => {
          const upload = new KeptUpload();
          // The bytes that the session counts, and those that the open hold has added.
          let kept = new Uint8Array();
          let added: Uint8Array[] = [];
          let write: StagedWrite = await upload.hold(store.driver, algorithm);
          const settle = async (): Promise<{ bytes: Uint8Array<ArrayBuffer>; progress: StagedProgress }> => {
            const bytes = new Uint8Array(Buffer.concat([kept, ...added]));
            const progress = await write.settle();
            expect(progress.size).toBe(bytes.length);
            if (store.readsStaged || progress.digest !== undefined) {
              expect(progress.digest).toBe(digestOf(algorithm, bytes));
            }
            expect(progress.failure).toBeUndefined();
            return { bytes, progress };
          };
          for (const step of some) {
            if (step.kind === 'write') {
              const bytes = random(step.size);
              added.push(bytes);
              await write.write(bytes.slice());
            } else if (step.kind === 'settle') {
              await settle();
            } else {
              if (step.kind === 'drop') {
                await write.drop();
              } else {
                const { bytes, progress } = await settle();
                await write.release();
                if (step.kind === 'hold again') {
                  upload.save(progress);
                  kept = bytes;
                } else if (step.kind === 'begin again') {
                  upload.size = 0;
                  kept = new Uint8Array();
                }
              }
              added = [];
              write = await upload.hold(store.driver, algorithm);
            }
          }
          const { bytes, progress } = await settle();
          await write.release();
          upload.save(progress);
          expect(await store.driver.commit(upload.place, bytes.length)).toBe(true);
          expectBytes(await committed(upload.place), bytes);
        }),
        { numRuns: 40 },
      );
    });

    test('is not an object before it is committed', async () => {
      const place = await stage(freshPlace(), random(10));
      expect(await store.driver.head(dataKey(place.inc))).toBeUndefined();
    });

    test.each([...ALGORITHMS])(
      'is hashed with %s as it is written, and any part of it afterwards',
      async (algorithm) => {
        const bytes = random(3 * MIB + 7);
        const place = await stage(freshPlace(), bytes, 0, algorithm);
        const expectDigests = async (): Promise<void> => {
          for (const size of [0, 1, 1000, 2 * MIB, bytes.length]) {
            for (const each of ALGORITHMS) {
              expect(await store.driver.digestStaged(place, size, each)).toBe(digestOf(each, bytes.subarray(0, size)));
            }
          }
          expect(await store.driver.digestStaged(place, bytes.length + 1, algorithm)).toBeUndefined();
        };
        if (store.readsStaged) await expectDigests();
        else expect(await store.driver.digestStaged(place, bytes.length, algorithm)).toBeUndefined();
        expect(await store.driver.commit(place, bytes.length)).toBe(true);
        await expectDigests();
        expect(await store.driver.digestStaged(freshPlace(), 0, algorithm)).toBeUndefined();
      },
    );

    test('is hashed across the requests of one node, with either algorithm', async () => {
      for (const algorithm of ALGORITHMS) {
        const upload = new KeptUpload();
        let all = new Uint8Array();
        for (const size of [1000, 1, 6 * MIB, 70_000]) {
          const bytes = random(size);
          all = new Uint8Array(Buffer.concat([all, bytes]));
          expect(await upload.add(store.driver, bytes, algorithm)).toMatchObject({
            size: all.length,
            digest: digestOf(algorithm, all),
          });
        }
        expect(await store.driver.commit(upload.place, all.length)).toBe(true);
        expectBytes(await committed(upload.place), all);
      }
    });

    test('is hashed correctly when a request changes the algorithm', async () => {
      const upload = new KeptUpload();
      const [one, two, three] = [random(1000), random(2000), random(3000)];
      await upload.add(store.driver, one, 'sha256');
      const both = Buffer.concat([one, two]);
      expect((await upload.add(store.driver, two, 'sha512')).digest).toBe(digestOf('sha512', both));
      const all = Buffer.concat([both, three]);
      expect((await upload.add(store.driver, three, 'sha256')).digest).toBe(digestOf('sha256', all));
    });

    test('is truncated to the offset at which a new write begins', async () => {
      const upload = new KeptUpload();
      const bytes = random(1000);
      await upload.add(store.driver, bytes);
      // Settled, but never saved.
      const lost = await upload.hold(store.driver);
      await lost.write(random(6 * MIB));
      await lost.settle();
      await lost.release();
      const write = await upload.hold(store.driver);
      const progress = await write.settle();
      expect(progress).toMatchObject({ size: 1000, digest: digestOf('sha256', bytes) });
      await write.release();
      upload.save(progress);
      expect(await store.driver.digestStaged(upload.place, 1001, 'sha256')).toBeUndefined();
      expect(await store.driver.commit(upload.place, 1001)).toBe(false);
      expect(await store.driver.commit(upload.place, 1000)).toBe(true);
      expectBytes(await committed(upload.place), bytes);
    });

    test('that is restarted is empty', async () => {
      const upload = new KeptUpload();
      await upload.add(store.driver, random(5000));
      const write = await upload.hold(store.driver, 'sha256', 0);
      const progress = await write.settle();
      expect(progress.size).toBe(0);
      await write.release();
      upload.save(progress);
      expect(await store.driver.commit(upload.place, 1)).toBe(false);
    });

    test('cannot be continued beyond its end, and the attempt changes nothing', async () => {
      const never = freshPlace();
      const bytes = random(100);
      const there = await stage(freshPlace(), bytes);
      for (const place of [there, never]) {
        const error: unknown = await store.driver
          .stage(place, 101, 'sha256', keepNothing)
          .catch((reason: unknown) => reason);
        expect(error).toMatchObject({ name: 'RegistryError', kind: 'upload-unknown' });
      }
      expect(await store.driver.digestStaged(never, 0, 'sha256')).toBeUndefined();
      expect(await store.driver.commit(there, 100)).toBe(true);
      expect(await store.driver.digestStaged(there, 100, 'sha256')).toBe(digestOf('sha256', bytes));
    });

    test('that is interrupted keeps the bytes with which the write began, although more was flushed', async () => {
      const upload = new KeptUpload();
      const bytes = random(1000);
      await upload.add(store.driver, bytes);
      const write = await upload.hold(store.driver);
      await write.write(random(6 * MIB));
      await write.settle();
      await write.write(random(100));
      await write.drop();
      expect(await store.driver.digestStaged(upload.place, 1001, 'sha256')).toBeUndefined();
      const more = random(10);
      const both = Buffer.concat([bytes, more]);
      expect((await upload.add(store.driver, more)).digest).toBe(digestOf('sha256', both));
      expect(await store.driver.commit(upload.place, 1010)).toBe(true);
      expectBytes(await committed(upload.place), both);
    });
  });

  describe('commit', () => {
    test('of all, some or no bytes makes an object of exactly that size', async () => {
      const bytes = random(2000);
      for (const size of [2000, 1999, 1, 0]) {
        const place = await stage(freshPlace(), bytes);
        expect(await store.driver.commit(place, size)).toBe(true);
        expectBytes(await committed(place), bytes.subarray(0, size));
        expect(await store.driver.head(dataKey(place.inc))).toEqual({ size });
      }
    });

    test.each([2000, 5 * MIB, 6 * MIB + 11])('of %i bytes is idempotent', async (size) => {
      const bytes = random(size);
      const place = await stage(freshPlace(), bytes);
      for (let time = 0; time < 3; time++) expect(await store.driver.commit(place, size)).toBe(true);
      expectBytes(await committed(place), bytes);
      expect(await store.driver.commit(place, size + 1)).toBe(false);
      expect(await store.driver.commit(place, size - 1)).toBe(false);
      expectBytes(await committed(place), bytes);
    });

    test('of more bytes than are stored fails, and creates nothing', async () => {
      const place = await stage(freshPlace(), random(100));
      expect(await store.driver.commit(place, 101)).toBe(false);
      expect(await committed(place)).toBeUndefined();
      expect(await store.driver.commit(place, 100)).toBe(true);
      expect(await store.driver.commit(freshPlace(), 0)).toBe(false);
    });

    test.each([100, 6 * MIB])('removes the %i staged bytes', async (size) => {
      const bytes = random(size);
      const place = await stage(freshPlace(), bytes);
      expect(await store.driver.commit(place, size)).toBe(true);
      const error: unknown = await stage(place, bytes, size).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'RegistryError', kind: 'upload-unknown' });
      // Only the object can be read back.
      expect(await store.driver.digestStaged(place, size, 'sha512')).toBe(digestOf('sha512', bytes));
      await store.driver.delete([dataKey(place.inc)]);
      expect(await store.driver.digestStaged(place, 0, 'sha256')).toBeUndefined();
    });
  });

  describe('discard', () => {
    test.each([100, 6 * MIB])('removes %i staged bytes, once or twice, and no committed object', async (size) => {
      const bytes = random(size);
      const one = await stage(freshPlace(), bytes);
      const two = await stage(freshPlace(), bytes);
      await store.driver.commit(two, size);
      for (const place of [one, one, two, freshPlace()]) await store.driver.discard(place);
      expect(await store.driver.digestStaged(one, 0, 'sha256')).toBeUndefined();
      expect(await store.driver.commit(one, size)).toBe(false);
      expectBytes(await committed(two), bytes);
    });
  });
}
