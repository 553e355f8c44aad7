// The content that clients push: little, so that they often concern the same things.
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-types.ts';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';

export interface Content {
  readonly digest: Digest;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface ManifestContent extends Content {
  readonly blobs: readonly Content[];
  readonly subject: Digest | undefined;
}

function contentOf(text: string): Content {
  const bytes = new Uint8Array(new TextEncoder().encode(text));
  return { bytes, digest: digestOf('sha256', bytes) };
}

function manifestOf(blobs: readonly Content[], subject?: Content): ManifestContent {
  const [config, ...layers] = blobs.map(({ digest, bytes }) => {
    return { mediaType: 'application/octet-stream', digest, size: bytes.length };
  });
  const about = subject && { mediaType: OCI_MANIFEST, digest: subject.digest, size: subject.bytes.length };
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, subject: about };
  return { ...contentOf(JSON.stringify(manifest)), blobs, subject: subject?.digest };
}

export const REPOSITORIES = ['a', 'a/b', 'c'] as RepositoryName[];
export const TAGS = ['1', 'latest', 'x'] as Tag[];

const [empty, small, middle, large] = ['{}', 'small', 'not so small a blob', 'x'.repeat(50)].map(contentOf) as [
  Content,
  Content,
  Content,
  Content,
];
export const BLOBS: readonly Content[] = [empty, small, middle, large];

/** Content that was not pushed before. */
export function newBlob(number: number): Content {
  return contentOf(`blob ${number}`);
}

const first = manifestOf([empty, small]);
export const MANIFESTS: readonly ManifestContent[] = [
  first,
  manifestOf([empty, small, middle]),
  manifestOf([large]),
  manifestOf([empty], first),
];
