import type { Caller } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName } from '../../oci/names.ts';
import type { Blob, Reader } from '../../registry/interface.ts';

/** Blobs that are read for pages: configs, SBOMs, READMEs. */
export const MAX_BLOB_BYTES = 4 * 1024 * 1024;

export type ReadBlob =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Only its beginning would be read, which is of no use for JSON. @property size in bytes */
  | { readonly kind: 'too-large'; readonly size: number };

/**
 * A whole blob that a page shows something of.
 * @throws RegistryError as `Reader.getBlob`; `unavailable` if it vanishes while it is read
 */
export async function readBlob(
  registry: Pick<Reader, 'getBlob'>,
  repo: RepositoryName,
  digest: Digest,
  caller: Caller,
): Promise<ReadBlob> {
  const blob = await registry.getBlob(repo, digest, caller, 'here');
  if (blob.size > MAX_BLOB_BYTES) return { kind: 'too-large', size: blob.size };
  const bytes = await bytesOf(blob);
  if (bytes?.length !== blob.size) throw new RegistryError('unavailable', 'the stored blob has changed: try again');
  return { kind: 'bytes', bytes };
}

/** @returns undefined if a file is not there any more, because it was collected or a cached copy was evicted */
async function bytesOf({ size, content }: Blob): Promise<Uint8Array | undefined> {
  switch (content.kind) {
    case 'bytes':
      return content.bytes;
    case 'file': {
      const file = Bun.file(content.path);
      return (await file.exists()) ? await file.bytes() : undefined;
    }
    case 'stream': {
      const chunks: Uint8Array[] = [];
      for await (const chunk of content.open({ start: 0, end: size })) chunks.push(chunk);
      return Buffer.concat(chunks);
    }
    case 'elsewhere':
      throw new Error('a blob that was asked for here is given elsewhere');
  }
}
