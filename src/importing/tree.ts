import { algorithmOf, hexOf, parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest } from '../oci/names.ts';
import type { Key, StoredObject } from '../storage/driver.ts';
import type { ForeignStore, Given, Verification } from '../storage/foreign.ts';
import type { ImportSource, SourceEntry } from './source.ts';

/*
 * How distribution (registry:2 and registry:3) stores a registry, below docker/registry/v2/:
 *
 *   blobs/<algorithm>/<xx>/<hex>/data                                      bytes of blobs and manifests; xx = the hex digits' first two
 *   repositories/<name>/_layers/<algorithm>/<hex>/link                     a blob of the repository
 *   repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link        a manifest of the repository
 *   repositories/<name>/_manifests/tags/<tag>/current/link                 the digest the tag points to
 *   repositories/<name>/_manifests/tags/<tag>/index/<algorithm>/<hex>/link every digest the tag ever pointed to
 *   repositories/<name>/_uploads/…                                         uploads in progress
 *
 * A link holds a digest, under which the bytes are stored. It may differ from the digest in the link's name, which is then a second
 * digest of the same bytes. In a listing all links of a repository are consecutive: blobs, then manifests, then tags.
 */

/** Where the tree may be, relative to the folder that the operator names. */
const ROOTS = ['docker/registry/v2/', 'registry/v2/', 'v2/', ''] as const;

const BLOB = /^(?<repo>.+?)\/_layers\/(?<algorithm>[^/]+)\/(?<hex>[^/]+)\/link$/;
const MANIFEST = /^(?<repo>.+?)\/_manifests\/revisions\/(?<algorithm>[^/]+)\/(?<hex>[^/]+)\/link$/;
const TAG = /^(?<repo>.+?)\/_manifests\/tags\/(?<tag>[^/]+)\/current\/link$/;

/** A registry that distribution wrote. */
export class DistributionTree implements ImportSource {
  readonly place: string;
  readonly gives: boolean;
  readonly #store: ForeignStore;
  /** Where the tree is in the store: empty, or with a trailing slash. */
  readonly #root: Key;

  private constructor(store: ForeignStore, root: Key) {
    this.place = store.place;
    this.gives = store.gives;
    this.#store = store;
    this.#root = root;
  }

  /** @throws RegistryError `request-invalid` if there is none */
  static async open(store: ForeignStore): Promise<DistributionTree> {
    const root = await rootOf(store);
    if (root !== undefined) return new DistributionTree(store, root);
    throw new RegistryError(
      'request-invalid',
      `there is no registry in ${store.place}: name the folder or prefix that holds docker/registry/v2`,
    );
  }

  async *entries(): AsyncGenerator<SourceEntry> {
    const prefix = `${this.#root}repositories/`;
    for await (const { key } of this.#store.list(prefix)) {
      const entry = entryOf(key, prefix);
      if (entry !== undefined) yield entry;
    }
  }

  /** The digest in a link; undefined if the link is missing, empty or torn. */
  async digestOf({ key }: SourceEntry): Promise<Digest | undefined> {
    const bytes = await this.#store.read(key);
    return bytes === undefined ? undefined : parseDigest(new TextDecoder().decode(bytes).trim());
  }

  async sizeOf(digest: Digest): Promise<number | undefined> {
    return (await this.#store.head(blobKey(this.#root, digest)))?.size;
  }

  read(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#store.read(blobKey(this.#root, digest));
  }

  open(digest: Digest): Promise<StoredObject | undefined> {
    return this.#store.open(blobKey(this.#root, digest));
  }

  give(digest: Digest, to: Key, size: number, verification: Verification | undefined): Promise<Given | undefined> {
    return this.#store.give(blobKey(this.#root, digest), to, size, verification);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** undefined if there is no tree. */
async function rootOf(source: ForeignStore): Promise<Key | undefined> {
  for (const root of ROOTS) {
    for (const folder of ['repositories/', 'blobs/']) {
      for await (const _ of source.list(root + folder)) return root;
    }
  }
  return undefined;
}

/**
 * @param prefix of all repositories
 * @returns undefined for other links, and for everything else
 */
export function entryOf(key: Key, prefix: Key): SourceEntry | undefined {
  const path = key.slice(prefix.length);
  const manifest = MANIFEST.exec(path)?.groups;
  const found = manifest ?? BLOB.exec(path)?.groups;
  if (found !== undefined) {
    const { repo = '', algorithm = '', hex = '' } = found;
    return { kind: manifest === undefined ? 'layer' : 'manifest', repo, digest: `${algorithm}:${hex}`, key };
  }
  const tag = TAG.exec(path)?.groups;
  return tag === undefined ? undefined : { kind: 'tag', repo: tag.repo ?? '', tag: tag.tag ?? '', key };
}

/** The key of the bytes of a digest. */
export function blobKey(root: Key, digest: Digest): Key {
  const hex = hexOf(digest);
  return `${root}blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`;
}
