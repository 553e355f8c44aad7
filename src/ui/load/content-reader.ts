import { LRUCache } from 'lru-cache';
import type { Caller } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName } from '../../oci/names.ts';
import type { Reader, Reference } from '../../registry/interface.ts';
import { type ArtifactKind, kindOf } from '../models/artifact-kind.ts';
import { type ImageConfig, readImageConfig } from '../models/image-config.ts';
import { type ManifestModel, readManifest } from '../models/manifest-model.ts';
import { readBlob } from './read-blob.ts';

/** A manifest with what its bytes say. */
export interface ReadManifest {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly model: ManifestModel;
  readonly kind: ArtifactKind;
  readonly text: string;
}

/** JSON of a blob. */
export type ReadJson =
  | { readonly kind: 'json'; readonly json: unknown }
  | { readonly kind: 'too-large'; readonly size: number }
  /** It is not there, or is no JSON. */
  | { readonly kind: 'none' };

/** What a row of a list shows of a manifest. */
export interface ManifestSketch {
  readonly kind: ArtifactKind;
  /** Such as `linux/amd64`. */
  readonly platforms: readonly string[];
  /** Whether an index holds attestations of its images. */
  readonly isAttested: boolean;
}

/** Parsed content that is remembered, in bytes of its JSON. */
const MAX_MEMORY = 16 * 1024 * 1024;
const MAX_ENTRIES = 5_000;
/** Manifests of a list that are read at the same time. */
const TOGETHER = 16;

/**
 * Reads manifests and blobs for pages. What their bytes say never changes, so it is remembered by digest. Whether the caller may read
 * them is asked each time: each method goes through the registry first.
 */
export class ContentReader {
  readonly #registry: Pick<Reader, 'getManifest' | 'getBlob' | 'resolveBlob'>;
  readonly #manifests = new LRUCache<string, ReadManifest>({
    max: MAX_ENTRIES,
    maxSize: MAX_MEMORY,
    sizeCalculation: ({ text }) => Math.max(1, text.length),
  });
  readonly #json = new LRUCache<Digest, ReadJson>({ max: MAX_ENTRIES, maxSize: MAX_MEMORY });
  readonly #sketches = new LRUCache<string, ManifestSketch>({ max: MAX_ENTRIES });

  constructor(registry: Pick<Reader, 'getManifest' | 'getBlob' | 'resolveBlob'>) {
    this.#registry = registry;
  }

  /** @throws RegistryError as `Reader.getManifest` */
  async manifest(repo: RepositoryName, reference: Reference, caller: Caller): Promise<ReadManifest> {
    const { descriptor, bytes } = await this.#registry.getManifest(repo, reference, caller);
    const { digest, mediaType, size } = descriptor;
    const key = `${digest} ${mediaType}`;
    const known = this.#manifests.get(key);
    if (known !== undefined) return known;
    const text = new TextDecoder().decode(bytes);
    const model = readManifest(parsed(text), mediaType);
    const read = { digest, size, model, kind: kindOf(model), text };
    this.#manifests.set(key, read);
    return read;
  }

  /** The JSON in a blob. */
  async json(repo: RepositoryName, digest: Digest, caller: Caller): Promise<ReadJson> {
    try {
      await this.#registry.resolveBlob(repo, digest, caller);
      const known = this.#json.get(digest);
      if (known !== undefined) return known;
      const blob = await readBlob(this.#registry, repo, digest, caller);
      const read: ReadJson = blob.kind === 'too-large' ? blob : jsonOf(new TextDecoder().decode(blob.bytes));
      this.#json.set(digest, read, { size: blob.kind === 'bytes' ? blob.bytes.length + 1 : 1 });
      return read;
    } catch (error) {
      if (error instanceof RegistryError && error.kind === 'blob-unknown') return { kind: 'none' };
      throw error;
    }
  }

  /** @returns undefined if it has no config of an image */
  async imageConfig(repo: RepositoryName, { model }: ReadManifest, caller: Caller): Promise<ImageConfig | undefined> {
    if (model.shape !== 'image' || model.config === undefined) return undefined;
    const read = await this.json(repo, model.config.digest, caller);
    return read.kind === 'json' ? readImageConfig(read.json) : undefined;
  }

  /** Sketches of the manifests that can be read within a time. @param until by the monotonic clock, in milliseconds */
  async sketches(
    repo: RepositoryName,
    digests: readonly Digest[],
    caller: Caller,
    until: number,
  ): Promise<ReadonlyMap<Digest, ManifestSketch>> {
    const found = new Map<Digest, ManifestSketch>();
    const left = [...new Set(digests)].values();
    const work = async (): Promise<void> => {
      for (const digest of left) {
        if (performance.now() > until) return;
        const sketch = await this.#sketch(repo, digest, caller);
        if (sketch !== undefined) found.set(digest, sketch);
      }
    };
    await Promise.all(Array.from({ length: TOGETHER }, work));
    return found;
  }

  /** @returns undefined if the manifest is not there any more */
  async #sketch(repo: RepositoryName, digest: Digest, caller: Caller): Promise<ManifestSketch | undefined> {
    try {
      const manifest = await this.manifest(repo, { kind: 'digest', digest }, caller);
      const key = `${digest} ${manifest.model.mediaType}`;
      const known = this.#sketches.get(key);
      if (known !== undefined) return known;
      const sketch = sketchOf(manifest, await this.imageConfig(repo, manifest, caller));
      this.#sketches.set(key, sketch);
      return sketch;
    } catch (error) {
      if (error instanceof RegistryError && error.kind === 'manifest-unknown') return undefined;
      throw error;
    }
  }
}

function sketchOf({ model, kind }: ReadManifest, config: ImageConfig | undefined): ManifestSketch {
  const platforms = model.shape === 'index' ? model.children.map(({ platform }) => platform) : [config?.platform];
  return {
    kind,
    platforms: [...new Set(platforms.filter((each) => each !== undefined))],
    isAttested: model.children.some(({ attests }) => attests !== undefined),
  };
}

function jsonOf(text: string): ReadJson {
  const json = parsed(text);
  return json === undefined ? { kind: 'none' } : { kind: 'json', json };
}

/** @returns undefined for a text that is no JSON */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Blobs may be anything, and manifests that an older version accepted may be no JSON.
    return undefined;
  }
}
