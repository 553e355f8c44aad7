import { forEachConcurrently } from '../collection/concurrently.ts';
import { algorithmOf, digestOf, parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../oci/manifest.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Manifests } from '../registry/manifests.ts';
import { type ForeignStore, ForeignUnreadable } from '../storage/foreign.ts';
import { dataKey } from '../storage/paths.ts';
import { broken, each, IMPORTER, type LayerEntry, unsupported, wrong } from './layers.ts';
import type { Import } from './ports.ts';
import type { Problem } from './report.ts';
import { blobKey, readLink } from './tree.ts';

/** Manifests that are put beside each other: those share slots of the log. */
const TOGETHER = 16;

/** Puts manifests of one repository whose blobs are there, as a push by their digests does. */
export async function importManifests(
  repo: RepositoryName,
  entries: readonly LayerEntry[],
  manifests: Manifests,
  run: Import,
): Promise<void> {
  await forEachConcurrently(each(entries), TOGETHER, async (entry) => {
    run.signal.throwIfAborted();
    await run.breathe();
    const problem = await importManifest(repo, entry, manifests, run);
    if (problem !== undefined) run.tally.problem(problem);
    run.tally.done();
  });
}

async function importManifest(
  repo: RepositoryName,
  entry: LayerEntry,
  manifests: Manifests,
  run: Import,
): Promise<Problem | undefined> {
  const digest = parseDigest(entry.digest);
  if (digest === undefined) return unsupported(repo, entry.digest);
  const answer = await run.projection.manifestByDigest(repo, digest);
  const existing = answer.kind === 'known' ? answer.value?.record : undefined;
  const isStored = existing !== undefined && (await run.driver.head(dataKey(existing.inc)))?.size === existing.size;
  if (isStored && !mayContradict(existing.mediaType)) {
    run.tally.manifests.present++;
    return undefined;
  }
  const bytes = await readManifest(repo, digest, entry, run);
  if (!(bytes instanceof Uint8Array)) return bytes;
  run.tally.read(bytes.length);
  const contradiction = existing === undefined ? undefined : contradictionOf(existing.mediaType, repo, digest, bytes);
  if (contradiction !== undefined) {
    run.contradicted.add(contradictedKey(repo, digest));
    return contradiction;
  }
  if (isStored) {
    run.tally.manifests.present++;
    return undefined;
  }
  try {
    const actor = { id: IMPORTER, label: IMPORTER };
    await manifests.put(repo, { bytes, contentType: existing?.mediaType, digest, tags: [] }, actor);
  } catch (error) {
    const problem = error instanceof RegistryError ? problemOf(error, repo, digest, bytes) : undefined;
    if (problem === undefined) throw error;
    return problem;
  }
  run.tally.manifests.put++;
  return undefined;
}

export function contradictedKey(repo: string, digest: Digest): string {
  return `${repo} ${digest}`;
}

/**
 * Whether the tree may say something else of a manifest that our store has as this type. Bytes that are an image are no index,
 * so only of other types has one to look.
 */
export function mayContradict(mediaType: string): boolean {
  const shape = shapeOf(mediaType);
  return shape !== 'image' && shape !== 'index';
}

/** As what the first push settled it, our store has a manifest: it may not become something else by an import either. */
export function contradictionOf(
  mediaType: string,
  repo: string,
  digest: Digest,
  bytes: Uint8Array,
): Problem | undefined {
  if (!mayContradict(mediaType)) return undefined;
  let told: string;
  try {
    told = parseManifest(bytes, undefined).mediaType;
  } catch (error) {
    // In the tree it is nothing that could be served.
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
  if (told === mediaType) return undefined;
  const message = `it was pushed here as ${mediaType}, but is ${told}: delete it here first`;
  return { problem: 'manifest-invalid', repo, digest, message };
}

/** The bytes, when they are what their digest says. */
export async function readManifest(
  repo: string,
  digest: Digest,
  { key }: LayerEntry,
  { source, root }: { readonly source: ForeignStore; readonly root: string },
): Promise<Uint8Array<ArrayBuffer> | Problem> {
  try {
    const target = await readLink(source, key);
    if (target === undefined) return broken(repo, digest);
    const size = (await source.head(blobKey(root, target)))?.size;
    if (size === undefined) {
      return { problem: 'blob-missing', repo, digest, message: 'the tree links this manifest but has no bytes of it' };
    }
    if (size > MAX_MANIFEST_BYTES) {
      const message = `the manifest has ${size} bytes, more than ${MAX_MANIFEST_BYTES}`;
      return { problem: 'manifest-invalid', repo, digest, message };
    }
    const bytes = await source.read(blobKey(root, target));
    if (bytes === undefined || digestOf(algorithmOf(digest), bytes) !== digest) return wrong(repo, digest);
    return new Uint8Array(bytes);
  } catch (error) {
    if (!(error instanceof ForeignUnreadable)) throw error;
    return { problem: 'unreadable', repo, digest, message: error.message };
  }
}

/** What a push of it would be refused for; undefined when that says nothing of the manifest. */
export function problemOf(error: RegistryError, repo: string, digest: Digest, bytes: Uint8Array): Problem | undefined {
  if (error.kind === 'manifest-references-unknown') {
    const missing = error.detail?.digests;
    const names = Array.isArray(missing) ? missing.join(', ') : 'some';
    return { problem: 'manifest-incomplete', repo, digest, message: `blobs that it needs are missing: ${names}` };
  }
  if (error.kind !== 'manifest-invalid') return undefined;
  // Docker's first kind says nothing of its media type, and a registry cannot be a registry of it any more.
  const isFirst = /"schemaVersion"\s*:\s*1\b/.test(new TextDecoder().decode(bytes.subarray(0, 1024)));
  const message = isFirst ? "it is a manifest of Docker's schema 1, which nothing serves any more" : error.message;
  return { problem: 'manifest-invalid', repo, digest, message };
}
