import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chunkLists } from '../../test/support/generators.ts';
import { bodyOf, brokenBody, refusalOf, text } from '../../test/support/registry.ts';
import { readAll, UploadBody } from './upload-body.ts';

async function chunksOf(body: UploadBody): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.chunks()) chunks.push(chunk);
  return chunks;
}

describe('the body of an upload', () => {
  test('returns the bytes in their chunks, with or without an announced length', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, async (chunks) => {
        expect(await chunksOf(bodyOf(chunks))).toEqual(chunks);
        expect(await chunksOf(bodyOf(chunks, 'unknown'))).toEqual(chunks);
        expect(Buffer.from(await readAll(bodyOf(chunks)))).toEqual(Buffer.concat(chunks));
      }),
    );
  });

  test('that is longer or shorter than announced is a size mismatch', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.nat({ max: 400 }), async (chunks, announced) => {
        const real = chunks.reduce((sum, { length }) => sum + length, 0);
        expect(await refusalOf(chunksOf(bodyOf(chunks, announced)))).toBe(
          real === announced ? 'none' : 'size-mismatch',
        );
        expect(await refusalOf(readAll(bodyOf(chunks, announced)))).toBe(real === announced ? 'none' : 'size-mismatch');
      }),
    );
  });

  test('that is too long fails before an excess byte is returned', async () => {
    const given: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of bodyOf([text('abc'), text('d')], 3).chunks()) given.push(chunk);
    })();
    expect(await refusalOf(reading)).toBe('size-mismatch');
    expect(given).toEqual([text('abc')]);
  });

  test('that breaks off ends there and says why, and reading it as a whole fails', async () => {
    const body = brokenBody([text('ab')], 10);
    expect(await chunksOf(body)).toEqual([text('ab')]);
    expect(body.broken?.kind).toBe('upload-interrupted');
    expect(await refusalOf(readAll(brokenBody([text('ab')], 10)))).toBe('upload-interrupted');
  });

  test('a defect while reading does not count as a broken body', async () => {
    async function* defective(): AsyncIterable<Uint8Array> {
      yield text('a');
      throw new TypeError('defect');
    }
    const body = new UploadBody(defective(), undefined);
    expect(await chunksOf(body).catch(String)).toBe('TypeError: defect');
    expect(body.broken).toBeUndefined();
  });

  test('tells the client how many bytes were announced and received', async () => {
    const error: unknown = await chunksOf(bodyOf([text('abc')], 5)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      detail: { announced: 5, received: 3 },
      message: 'the body has 3 bytes, 5 were announced',
    });
  });
});
