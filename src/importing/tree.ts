import { algorithmOf, hexOf, parseDigest } from '../oci/digest.ts';
import type { Digest } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import type { ForeignStore } from '../storage/foreign.ts';

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

/** A link that is imported; names and digests are not validated yet. */
export type TreeEntry =
  | { readonly kind: 'layer' | 'manifest'; readonly repo: string; readonly digest: string; readonly key: Key }
  | { readonly kind: 'tag'; readonly repo: string; readonly tag: string; readonly key: Key };

/** Where the tree may be, relative to the folder that the operator names. */
const ROOTS = ['docker/registry/v2/', 'registry/v2/', 'v2/', ''] as const;

const BLOB = /^(?<repo>.+?)\/_layers\/(?<algorithm>[^/]+)\/(?<hex>[^/]+)\/link$/;
const MANIFEST = /^(?<repo>.+?)\/_manifests\/revisions\/(?<algorithm>[^/]+)\/(?<hex>[^/]+)\/link$/;
const TAG = /^(?<repo>.+?)\/_manifests\/tags\/(?<tag>[^/]+)\/current\/link$/;

/** Where the tree is in the source: empty, or with a trailing slash. undefined if there is none. */
export async function rootOf(source: ForeignStore): Promise<Key | undefined> {
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
export function entryOf(key: Key, prefix: Key): TreeEntry | undefined {
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

/** Every link that is imported; those of one repository are consecutive. */
export async function* entriesOf(source: ForeignStore, root: Key): AsyncGenerator<TreeEntry> {
  const prefix = `${root}repositories/`;
  for await (const { key } of source.list(prefix)) {
    const entry = entryOf(key, prefix);
    if (entry !== undefined) yield entry;
  }
}

/** The key of the bytes of a digest. */
export function blobKey(root: Key, digest: Digest): Key {
  const hex = hexOf(digest);
  return `${root}blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`;
}

/** The digest in a link; undefined if the link is missing, empty or torn. */
export async function readLink(source: ForeignStore, key: Key): Promise<Digest | undefined> {
  const bytes = await source.read(key);
  return bytes === undefined ? undefined : parseDigest(new TextDecoder().decode(bytes).trim());
}
