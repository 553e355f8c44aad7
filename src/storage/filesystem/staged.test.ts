import { expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { ulid } from 'ulid';
import { openTemporaryFolder } from '../../../test/support/data-folder.ts';
import { digestOf } from '../../oci/digest.ts';
import { parseIncarnation, parseUploadId } from '../../oci/names.ts';
import type { StagedPlace } from '../driver.ts';

/** More than a crowd, so that some writes begin with buffers of their own and go on without. */
const WRITERS = 9;
const CHUNKS = [1, 65_536, 1_500_000, 7, 300_000, 1_048_576, 2];

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
