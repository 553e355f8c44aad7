import { expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ulid } from 'ulid';
import { openTemporaryFolder } from '../../../test/support/data-folder.ts';
import { digestOf } from '../../oci/digest.ts';
import { parseIncarnation, parseUploadId } from '../../oci/names.ts';
import type { StagedPlace } from '../driver.ts';
import { dataKey } from '../paths.ts';
import { DiskSync } from './disk-sync.ts';
import { Hasher } from './hasher.ts';
import { FileStagedWrite } from './staged.ts';
import { isFull, storageFull } from './system-errors.ts';

const WRITERS = 9;
/** Together enough that the kernel is told more than once to begin to write. */
const CHUNKS = [1, 65_536, 1_500_000, 7, 300_000, 1_048_576, 2, 4_300_000, 4_200_000];

function freshPlace(): StagedPlace {
  const upload = parseUploadId(crypto.randomUUID());
  const inc = parseIncarnation(ulid());
  if (upload === undefined || inc === undefined) throw new Error('the library made an id that is none');
  return { upload, inc };
}

test('uploads that become many, and few again, are stored byte for byte', async () => {
  const folder = await openTemporaryFolder();
  try {
    const chunks = CHUNKS.map((size) => new Uint8Array(randomBytes(size)));
    const whole = Buffer.concat(chunks);
    const writers = [];
    for (let index = 0; index < WRITERS; index++) {
      const place = freshPlace();
      writers.push({ place, write: await folder.driver.stage(place, 0, 'sha256') });
      // Each one there is so far goes on while the next one joins.
      const chunk = chunks[index];
      if (chunk === undefined) continue;
      for (const [joined, { write }] of writers.entries()) if (joined === 0) await write.write(chunk.slice());
    }
    await Promise.all(
      writers.map(async ({ place, write }, index) => {
        if (index > 0) for (const chunk of chunks) await write.write(chunk.slice());
        const progress = await write.settle();
        await write.release();
        expect(progress).toEqual({ size: whole.length, digest: digestOf('sha256', whole) });
        expect(await folder.driver.digestStaged(place, whole.length, 'sha512')).toBe(digestOf('sha512', whole));
      }),
    );
    const place = freshPlace();
    const alone = await folder.driver.stage(place, 0, 'sha512');
    for (const chunk of chunks) await alone.write(chunk.slice());
    expect(await alone.settle()).toEqual({ size: whole.length, digest: digestOf('sha512', whole) });
    await alone.release();
  } finally {
    await folder.close();
  }
});

const ODD = 4096 * 3 + 17;

test('uploads of any lengths, gone on with where they ended, are stored byte for byte', async () => {
  const folder = await openTemporaryFolder();
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 1_200_000 }), { minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 4,
        }),
        async (requests) => {
          const place = freshPlace();
          const all: Uint8Array[] = [];
          let digest = digestOf('sha256', new Uint8Array());
          for (const chunks of requests) {
            const from = Buffer.concat(all).length;
            const write = await folder.driver.stage(place, from, 'sha256', undefined, digest);
            for (const size of chunks) {
              const chunk = new Uint8Array(randomBytes(size));
              all.push(chunk);
              await write.write(chunk.slice());
            }
            const whole = Buffer.concat(all);
            digest = digestOf('sha256', whole);
            expect(await write.settle()).toEqual({ size: whole.length, digest });
            await write.release();
          }
          const whole = Buffer.concat(all);
          expect(await folder.driver.commit(place, whole.length)).toBe(true);
          expect(Buffer.compare((await folder.driver.read(dataKey(place.inc))) ?? Buffer.alloc(0), whole)).toBe(0);
        },
      ),
      { numRuns: 25 },
    );
  } finally {
    await folder.close();
  }
});

/** A disk that finds out late that it has no room, says so once, as the kernel does, and no more. */
class FullOnce extends DiskSync {
  #said = false;

  override async file(): Promise<void> {
    if (this.#said) return;
    this.#said = true;
    throw storageFull();
  }
}

test('bytes for which the disk finds no room after all do not count, although a later sync says nothing', async () => {
  await withFile(Buffer.alloc(0), async (_descriptor, _content, path) => {
    const hasher = new Hasher();
    const descriptor = openSync(path, 'r+');
    const diskSync = new FullOnce((reason) => {
      throw new Error(reason);
    });
    const write = new FileStagedWrite({ descriptor, hash: hasher.open('full', 'sha256', descriptor, 0) }, 0, {
      diskSync,
      admit: () => {},
      syncEntry: async () => {},
    });
    // Enough for a sync before the last one.
    for (let count = 0; count < 65; count++) await write.write(new Uint8Array(1024 * 1024));
    expect(await write.settle().catch((error: unknown) => isFull(error))).toBe(true);
    await write.drop();
    expect(statSync(path).size).toBe(0);
    hasher.close();
  });
});

test('a hash of what a file holds is the same before and after the kernel was told to write it', async () => {
  await withFile(randomBytes(ODD), async (descriptor, content) => {
    const hasher = new Hasher();
    const hash = hasher.open('begun', 'sha512', descriptor, 0);
    await hash.follow(ODD - 4096);
    hash.writeBack();
    await hash.follow(ODD);
    hash.writeBack();
    expect(await hash.digest(ODD)).toBe(digestOf('sha512', content));
    await hash.close();
    hasher.close();
  });
});

async function withFile(
  content: Buffer,
  work: (descriptor: number, content: Buffer, path: string) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'staged-'));
  const path = join(root, 'file');
  writeFileSync(path, content);
  const descriptor = openSync(path, 'r+');
  try {
    await work(descriptor, content, path);
  } finally {
    closeSync(descriptor);
    rmSync(root, { recursive: true });
  }
}
