import { describe, expect, test } from 'bun:test';
import { A, ACTOR, B, CALLER, openRegistry, refusalOf, text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import { dataKey } from '../storage/paths.ts';
import { SMALL_BLOB_BYTES } from './content-cache.ts';
import type { Blob } from './interface.ts';

async function bytesOf({ size, content }: Blob): Promise<Uint8Array> {
  if (content.kind === 'bytes') return content.bytes;
  if (content.kind === 'stream') return await new Response(content.open({ start: 0, end: size })).bytes();
  throw new Error(`the memory driver gave a ${content.kind}`);
}

const never = digestOf('sha256', text('never pushed'));

describe('blobs', () => {
  test('of every size are served as they were pushed, small ones from memory', async () => {
    const open = openRegistry();
    for (const size of [0, 1, SMALL_BLOB_BYTES, SMALL_BLOB_BYTES + 1, 300_000]) {
      const bytes = new Uint8Array(size).fill(size % 251);
      const digest = await open.push(A, bytes);
      for (let time = 0; time < 2; time++) {
        const blob = await open.registry.blobs.get(A, digest, CALLER);
        expect([blob.size, (await open.registry.blobs.resolve(A, digest)).size]).toEqual([size, size]);
        expect(blob.content.kind === 'bytes').toBe(size <= SMALL_BLOB_BYTES);
        expect(Buffer.compare(await bytesOf(blob), bytes)).toBe(0);
      }
    }
  });

  test('are visible only in their repository', async () => {
    const open = openRegistry();
    const digest = await open.push(A, text('x'));
    expect(await refusalOf(Promise.try(() => open.registry.blobs.resolve(B, digest)))).toBe('name-unknown');
    await open.push(B, text('other'));
    expect(await refusalOf(Promise.try(() => open.registry.blobs.resolve(B, digest)))).toBe('blob-unknown');
    expect(await refusalOf(Promise.try(() => open.registry.blobs.get(B, digest, CALLER)))).toBe('blob-unknown');
    expect(await refusalOf(Promise.try(() => open.registry.blobs.get(A, never, CALLER)))).toBe('blob-unknown');
  });

  test('whose bytes are missing or truncated are reported as damaged, with advice', async () => {
    for (const size of [10, SMALL_BLOB_BYTES + 10]) {
      for (const damage of ['lost', 'cut']) {
        const open = openRegistry();
        const digest = await open.push(A, new Uint8Array(size));
        const key = dataKey((await open.linkOf(A, digest)) ?? expect.unreachable());
        if (damage === 'lost') await open.driver.delete([key]);
        else await open.driver.put(key, new Uint8Array(size - 1));
        expect(await refusalOf(Promise.try(() => open.registry.blobs.get(A, digest, CALLER)))).toBe('content-damaged');
        // Pushing them again repairs the blob.
        await open.push(A, new Uint8Array(size));
        expect((await open.registry.blobs.get(A, digest, CALLER)).size).toBe(size);
      }
    }
  });

  test('can be deleted once, only in their repository, and can be pushed again', async () => {
    const open = openRegistry();
    const digest = await open.push(A, text('x'));
    await open.push(B, text('x'));
    await open.registry.blobs.delete(A, digest, ACTOR);
    expect(await refusalOf(Promise.try(() => open.registry.blobs.resolve(A, digest)))).toBe('blob-unknown');
    expect(await refusalOf(open.registry.blobs.delete(A, digest, ACTOR))).toBe('blob-unknown');
    expect((await open.registry.blobs.get(B, digest, CALLER)).size).toBe(1);
    await open.push(A, text('x'));
    expect((await open.registry.blobs.get(A, digest, CALLER)).size).toBe(1);
  });

  test('are not deleted while a manifest of their repository refers to them', async () => {
    const open = openRegistry();
    const config = await open.push(A, text('config'));
    await open.push(B, text('config'));
    const manifest = { schemaVersion: 2, config: { mediaType: 'a/b', digest: config, size: 6 }, layers: [] };
    const pushed = {
      bytes: text(JSON.stringify(manifest)),
      contentType: undefined,
      digest: undefined,
      tags: [],
    };
    const { digest } = await open.registry.manifests.put(A, pushed, ACTOR);
    expect(await refusalOf(open.registry.blobs.delete(A, config, ACTOR))).toBe('blob-referenced');
    expect(await refusalOf(open.registry.blobs.delete(B, config, ACTOR))).toBe('none');
    await open.registry.manifests.delete(A, digest, ACTOR);
    expect(await refusalOf(open.registry.blobs.delete(A, config, ACTOR))).toBe('none');
  });

  test('cannot be deleted in a repository that does not exist', async () => {
    const { registry } = openRegistry();
    expect(await refusalOf(registry.blobs.delete(A, never, ACTOR))).toBe('name-unknown');
  });
});
