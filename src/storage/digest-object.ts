import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type Algorithm, digestFromHex } from '../oci/digest.ts';
import type { Digest } from '../oci/names.ts';
import type { Key, ObjectBody, StoreReader } from './driver.ts';

const BUFFER_BYTES = 1024 * 1024;

/**
 * The digest of an object as it is in the store now, read piece by piece.
 * @param onBytes called with the length of each piece
 * @returns undefined if there is no such object
 */
export async function digestOfObject(
  reader: StoreReader,
  key: Key,
  algorithm: Algorithm,
  onBytes: (count: number) => void,
): Promise<Digest | undefined> {
  const object = await reader.open(key);
  if (object === undefined) return undefined;
  const hash = createHash(algorithm);
  for await (const piece of piecesOf(object.body, object.size)) {
    hash.update(piece);
    onBytes(piece.length);
  }
  return digestFromHex(algorithm, hash.digest('hex'));
}

/** Each piece must be used before the next one is requested. */
export async function* piecesOf(body: ObjectBody, size: number): AsyncIterable<Uint8Array> {
  if (body.kind === 'stream') {
    yield* body.open({ start: 0, end: size });
    return;
  }
  const file = await open(body.path, 'r');
  try {
    const buffer = new Uint8Array(BUFFER_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
