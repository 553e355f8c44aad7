import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { digestFromHex, digestOf } from '../../../src/oci/digest.ts';
import { dataKey } from '../../../src/storage/paths.ts';
import { KeptUpload, random, type Store, sentBytes } from './store.ts';

const MIB = 1024 * 1024;
const BIG = 64 * MIB;

export function stagedLimitsContract(store: Store): void {
  describe('staged objects at the limits', () => {
    test('a large one is written and hashed in bounded memory', async () => {
      const upload = new KeptUpload();
      const hash = createHash('sha256');
      const pattern = random(MIB);
      const write = await upload.hold(store.driver);
      Bun.gc(true);
      const before = process.memoryUsage.rss();
      let maxGrowth = 0;
      for (let written = 0; written < BIG; written += MIB) {
        const chunk = pattern.slice();
        chunk[0] = written / MIB;
        hash.update(chunk);
        await write.write(chunk);
        if ((written / MIB) % 4 === 0) Bun.gc(true);
        maxGrowth = Math.max(maxGrowth, process.memoryUsage.rss() - before);
      }
      const progress = await write.settle();
      await write.release();
      upload.save(progress);
      const { place } = upload;
      expect(progress).toMatchObject({ size: BIG, digest: digestFromHex('sha256', hash.digest('hex')) });
      // Only the memory driver keeps its objects in memory.
      if (store.driver.kind !== 'memory') expect(maxGrowth).toBeLessThan(BIG / 2);
      expect(await store.driver.commit(place, BIG)).toBe(true);
      const object = await store.driver.open(dataKey(place.inc));
      if (object === undefined) return expect.unreachable();
      expect(object.size).toBe(BIG);
      const end = await sentBytes(object, { start: BIG - MIB, end: BIG });
      expect(Buffer.compare(end.subarray(1), pattern.subarray(1))).toBe(0);
      expect(end[0]).toBe(63);
      await store.driver.delete([dataKey(place.inc)]);
    });

    test('one that is released while its hash lags behind does not affect the next write', async () => {
      const upload = new KeptUpload();
      const chunk = random(8 * MIB);
      for (let round = 0; round < 3; round++) {
        const write = await upload.hold(store.driver, 'sha512', 0);
        for (let written = 0; written < 32 * MIB; written += chunk.length) await write.write(chunk.slice());
        await write.drop();
        const again = await upload.hold(store.driver, 'sha512', 0);
        const bytes = random(100);
        await again.write(bytes.slice());
        expect(await again.settle()).toMatchObject({ size: 100, digest: digestOf('sha512', bytes) });
        await again.release();
      }
    });

    test('many concurrent ones are kept separate', async () => {
      const uploads = Array.from({ length: 24 }, async (_, index) => {
        const upload = new KeptUpload();
        const algorithm = index % 2 === 0 ? 'sha256' : 'sha512';
        const bytes = random(index * 150_000);
        for (let from = 0; from === 0 || from < bytes.length; ) {
          const write = await upload.hold(store.driver, algorithm);
          const end = Math.min(bytes.length, from + 1_100_000);
          for (let at = from; at < end; at += 65_536) await write.write(bytes.slice(at, Math.min(end, at + 65_536)));
          const progress = await write.settle();
          expect(progress).toMatchObject({ size: end, digest: digestOf(algorithm, bytes.subarray(0, end)) });
          await write.release();
          upload.save(progress);
          if (end === bytes.length) break;
          from = end;
        }
        const { place } = upload;
        expect(await store.driver.commit(place, bytes.length)).toBe(true);
        expect(Buffer.compare((await store.driver.read(dataKey(place.inc))) ?? random(1), bytes)).toBe(0);
      });
      await Promise.all(uploads);
    });
  });
}
