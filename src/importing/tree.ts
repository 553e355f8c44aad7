import { algorithmOf, hexOf, parseDigest } from '../oci/digest.ts';
import type { Digest } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import type { ForeignStore } from '../storage/foreign.ts';

/*
 * How distribution (registry:2 and registry:3) keeps a registry, below docker/registry/v2/:
 *
 *   blobs/<algorithm>/<xx>/<hex>/data                                      bytes of blobs and manifests; xx = the hex digits' first two
 *   repositories/<name>/_layers/<algorithm>/<hex>/link                     a blob of the repository
 *   repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link        a manifest of the repository
 *   repositories/<name>/_manifests/tags/<tag>/current/link                 what the tag points to
 *   repositories/<name>/_manifests/tags/<tag>/index/<algorithm>/<hex>/link what it ever pointed to
 *   repositories/<name>/_uploads/…                                         uploads in progress
 *
 * A link holds a digest, and its bytes lie under that one; it may be another than the link's name, which is then a second digest
 * of the same bytes. In a listing everything of one repository comes together: blobs, then manifests, then tags.
 */

/** One link that counts; names and digests are as they were found. */
export type TreeEntry =
  | { readonly kind: 'layer' | 'manifest'; readonly repo: string; readonly digest: string; readonly key: Key }
  | { readonly kind: 'tag'; readonly repo: string; readonly tag: string; readonly key: Key };

/** Where the tree may begin, seen from the folder that an operator names. */
const ROOTS = ['docker/registry/v2/', 'registry/v2/', 'v2/', ''] as const;

const BLOB = /^(?<repo>.+?)\/_layers\/(?<algorithm>[^/]+)\/(?<hex>[^/]+)\/link$/;
const MANIFEST = /^(?<repo>.+?)\/_manifests\/revisions\/(?<algorithm>[^/]+)\/(?<hex>[^/]+)\/link$/;
const TAG = /^(?<repo>.+?)\/_manifests\/tags\/(?<tag>[^/]+)\/current\/link$/;

/** The tree's place in the source, empty or with a slash at its end; undefined when there is none. */
export async function rootOf(source: ForeignStore): Promise<Key | undefined> {
  for (const root of ROOTS) {
    for (const folder of ['repositories/', 'blobs/']) {
      for await (const _ of source.list(root + folder)) return root;
    }
  }
  return undefined;
}

/** @param prefix of every repository; undefined for links that do not count, and for everything else */
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

/** Every link that counts, all of one repository together. */
export async function* entriesOf(source: ForeignStore, root: Key): AsyncGenerator<TreeEntry> {
  const prefix = `${root}repositories/`;
  for await (const { key } of source.list(prefix)) {
    const entry = entryOf(key, prefix);
    if (entry !== undefined) yield entry;
  }
}

/** Where the bytes of a digest lie. */
export function blobKey(root: Key, digest: Digest): Key {
  const hex = hexOf(digest);
  return `${root}blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`;
}

/** The digest that a link holds; undefined for one that is gone, empty or torn. */
export async function readLink(source: ForeignStore, key: Key): Promise<Digest | undefined> {
  const bytes = await source.read(key);
  return bytes === undefined ? undefined : parseDigest(new TextDecoder().decode(bytes).trim());
}
