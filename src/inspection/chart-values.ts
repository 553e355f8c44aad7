import { Header } from 'tar/header';

/** Decompressed bytes of an archive that are searched: helm writes the values near its beginning. */
const MAX_SEARCHED = 8 * 1024 * 1024;
const BLOCK_BYTES = 512;
/** `<chart>/values.yaml`, and none of the charts that it contains. */
const VALUES = /^[^/]+\/values\.yaml$/;

/**
 * The default values of a Helm chart: its values.yaml.
 * @param archive its beginning, compressed; it may be hostile
 * @param max bytes of it that are returned
 * @returns undefined if it was not found
 */
export async function chartValues(
  archive: Uint8Array<ArrayBuffer>,
  max: number,
): Promise<{ readonly text: string; readonly isCut: boolean } | undefined> {
  const bytes = await decompressed(archive);
  for (let position = 0; position + BLOCK_BYTES <= bytes.length; ) {
    const header = headerAt(bytes, position);
    if (header === undefined) return undefined;
    const start = position + BLOCK_BYTES;
    if (header.isFile && VALUES.test(header.name)) {
      const end = Math.min(start + Math.min(header.size, max), bytes.length);
      return { text: new TextDecoder().decode(bytes.subarray(start, end)), isCut: end - start < header.size };
    }
    position = start + Math.ceil(header.size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return undefined;
}

interface EntryHeader {
  readonly name: string;
  readonly size: number;
  readonly isFile: boolean;
}

/** @returns undefined where no entry begins */
function headerAt(bytes: Buffer, position: number): EntryHeader | undefined {
  try {
    const { cksumValid, nullBlock, path, size = 0, type } = new Header(bytes, position);
    if (nullBlock || !cksumValid || path === undefined || !Number.isSafeInteger(size) || size < 0) return undefined;
    return { name: path, size, isFile: type === 'File' || type === 'OldFile' };
  } catch {
    // The library throws for numbers that are out of range.
    return undefined;
  }
}

/** What can be decompressed of it, up to a limit: a small archive may hold gigabytes of zeros. */
async function decompressed(archive: Uint8Array<ArrayBuffer>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    const stream = new Blob([archive]).stream().pipeThrough(new DecompressionStream('gzip'));
    // Leaving the loop cancels the stream.
    for await (const chunk of stream) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= MAX_SEARCHED) break;
    }
  } catch {
    // It is damaged or cut off: what came before that is used.
  }
  return Buffer.concat(chunks);
}
