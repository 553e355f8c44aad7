// Guarantees while requests of one upload reach different nodes, and while two nodes both believe that they hold it.
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digestOf } from '../../../src/oci/digest.ts';
import { RegistryError } from '../../../src/oci/errors.ts';
import { dataKey } from '../../../src/storage/paths.ts';
import { freshPlace, KeptUpload, random, type Store } from './store.ts';

const MIB = 1024 * 1024;

/** Around the size of a part (5 MiB), and of the chunks that drivers write. */
const sizes = fc.constantFrom(0, 1, 99_999, MIB + 3, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 11 * MIB);

export function stagedHoldersContract(store: Store): void {
  async function expectObject(upload: KeptUpload, bytes: Uint8Array): Promise<void> {
    expect(await store.driver.commit(upload.place, bytes.length)).toBe(true);
    expect(await store.other.digestStaged(upload.place, bytes.length, 'sha256')).toBe(digestOf('sha256', bytes));
    expect(await store.driver.head(dataKey(upload.place.inc))).toEqual({ size: bytes.length });
  }

  describe('an upload whose requests reach different nodes', () => {
    test('is stored byte for byte, whatever the sizes of its chunks', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(sizes, fc.boolean()), { minLength: 1, maxLength: 5 }), async (requests) => {
          const upload = new KeptUpload();
          const sent: Uint8Array[] = [];
          for (const [size, here] of requests) {
            const bytes = random(size);
            sent.push(bytes);
            const all = Buffer.concat(sent);
            const progress = await upload.add(here ? store.driver : store.other, bytes);
            expect(progress.size).toBe(all.length);
            if (progress.digest !== undefined) expect(progress.digest).toBe(digestOf('sha256', all));
          }
          await expectObject(upload, Buffer.concat(sent));
        }),
        { numRuns: 10 },
      );
    });

    test('has its digest after each request that reaches the same node as the one before', async () => {
      const upload = new KeptUpload();
      const bytes = random(6 * MIB);
      const progress = await upload.add(store.driver, bytes);
      expect(progress.digest).toBe(digestOf('sha256', bytes));
      await expectObject(upload, bytes);
    });
  });

  describe('an upload of which one node has hashed other bytes of the same length', () => {
    test.each([100, 6 * MIB])('gets the right digest: those %i bytes were never committed', async (size) => {
      const upload = new KeptUpload();
      const begun = random(10);
      await upload.add(store.driver, begun);
      const unsaved = await upload.hold(store.driver);
      await unsaved.write(random(size));
      await unsaved.settle();
      await unsaved.release();
      await expectOwnDigest(upload, begun, size);
    });

    test.each([100, 6 * MIB])(
      'gets the right digest: those %i bytes were committed, and then Redis lost that state',
      async (size) => {
        const upload = new KeptUpload();
        const begun = random(10);
        await upload.add(store.driver, begun);
        const { place, digest } = upload;
        await upload.add(store.driver, random(size));
        Object.assign(upload, { place, digest, size: begun.length });
        await expectOwnDigest(upload, begun, size);
      },
    );

    /** The other node receives other bytes, and then the first one receives more. */
    async function expectOwnDigest(upload: KeptUpload, begun: Uint8Array, size: number): Promise<void> {
      const [bytes, more] = [random(size), random(50)];
      await upload.add(store.other, bytes);
      const { digest } = await upload.add(store.driver, more);
      const whole = Buffer.concat([begun, bytes, more]);
      expect([undefined, digestOf('sha256', whole)]).toContain(digest);
      await expectObject(upload, whole);
    }
  });

  describe('an upload that is taken over', () => {
    test.each([0, 100, 5 * MIB, 6 * MIB])(
      'with %i bytes never gets bytes of the previous holder, which still writes',
      async (size) => {
        const first = new KeptUpload();
        const begun = random(size);
        if (size > 0) await first.add(store.driver, begun);
        const old = await first.hold(store.driver);
        // It has reserved part numbers and sent some parts before it is considered dead.
        await old.write(random(5 * MIB));
        const second = new KeptUpload(await store.other.takeOver(first.place, size, freshPlace().inc));
        second.size = size;
        const hold = await second.hold(store.other);
        const bytes = random(12 * MIB);
        for (let at = 0; at < bytes.length; at += MIB) {
          await old.write(random(MIB)).catch(ignoreGone);
          await hold.write(bytes.slice(at, at + MIB));
        }
        await old.settle().catch(ignoreGone);
        const progress = await hold.settle();
        await hold.release();
        await old.release();
        second.save(progress);
        expect(progress.size).toBe(size + bytes.length);
        await expectObject(second, Buffer.concat([begun, bytes]));
      },
    );

    test('is not changed by a late commit of the previous holder', async () => {
      for (const size of [100, 6 * MIB]) {
        const first = new KeptUpload();
        const begun = random(size);
        await first.add(store.driver, begun);
        const second = new KeptUpload(await store.other.takeOver(first.place, size, freshPlace().inc));
        second.size = size;
        const more = random(6 * MIB);
        await second.add(store.other, more);
        const whole = Buffer.concat([begun, more]);
        await expectObject(second, whole);
        await store.driver.commit(first.place, size);
        expect(await store.driver.digestStaged(second.place, whole.length, 'sha256')).toBe(digestOf('sha256', whole));
      }
    });

    test('cannot claim more bytes than were stored', async () => {
      const upload = new KeptUpload();
      await upload.add(store.driver, random(100));
      for (const place of [upload.place, freshPlace()]) {
        const error: unknown = await store.other
          .takeOver(place, 101, freshPlace().inc)
          .catch((reason: unknown) => reason);
        expect(error).toMatchObject({ name: 'RegistryError', kind: 'upload-unknown' });
      }
    });

    test('may be taken over again and again', async () => {
      const upload = new KeptUpload();
      const sent: Uint8Array[] = [];
      for (let round = 0; round < 5; round++) {
        const driver = round % 2 === 0 ? store.driver : store.other;
        upload.place = await driver.takeOver(upload.place, upload.size, freshPlace().inc);
        const bytes = random(3 * MIB + round);
        sent.push(bytes);
        await upload.add(driver, bytes);
      }
      await expectObject(upload, Buffer.concat(sent));
    });
  });
}

/** The other holder may have ended the upload. */
function ignoreGone(error: unknown): void {
  if (!(error instanceof RegistryError && error.kind === 'upload-unknown')) throw error;
}
