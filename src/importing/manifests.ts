import { forEachConcurrently } from '../collection/concurrently.ts';
import { algorithmOf, digestOf, parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../oci/manifest.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Manifests } from '../registry/manifests.ts';
import { ForeignUnreadable } from '../storage/foreign.ts';
import { dataKey } from '../storage/paths.ts';
import { broken, each, missing, unsupported, wrong } from './layers.ts';
import type { Import } from './ports.ts';
import type { Problem } from './report.ts';
import type { ImportSource, SourceEntry } from './source.ts';

export type ManifestEntry = Extract<SourceEntry, { kind: 'manifest' }>;

/** Manifests that are put concurrently: they share slots of the log. */
const MANIFEST_CONCURRENCY = 16;

/** Puts manifests of one repository whose blobs are present, like a push by digest. */
export async function importManifests(
  repo: RepositoryName,
  entries: readonly ManifestEntry[],
  manifests: Manifests,
  run: Import,
): Promise<void> {
  await forEachConcurrently(each(entries), MANIFEST_CONCURRENCY, async (entry) => {
    run.signal.throwIfAborted();
    await run.yieldToRequests();
    const problem = await importManifest(repo, entry, manifests, run);
    if (problem !== undefined) run.tally.problem(problem);
    run.tally.done();
  });
}

async function importManifest(
  repo: RepositoryName,
  entry: ManifestEntry,
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
  const contradiction =
    existing === undefined ? undefined : contradictionOf(existing.mediaType, repo, digest, bytes, entry.mediaType);
  if (contradiction !== undefined) {
    run.contradicted.add(contradictedKey(repo, digest));
    return contradiction;
  }
  if (isStored) {
    run.tally.manifests.present++;
    return undefined;
  }
  try {
    const actor = { id: run.actor, label: run.actor };
    await manifests.put(repo, { bytes, contentType: existing?.mediaType ?? entry.mediaType, digest, tags: [] }, actor);
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
 * Whether the source may contradict the media type that our store has. Images are never indexes and vice versa, so only
 * other types need a check.
 */
export function mayContradict(mediaType: string): boolean {
  const shape = shapeOf(mediaType);
  return shape !== 'image' && shape !== 'index';
}

/**
 * The first push fixed the media type in our store, and an import may not change it either.
 * @param inSource the media type that the source keeps for it
 */
export function contradictionOf(
  mediaType: string,
  repo: string,
  digest: Digest,
  bytes: Uint8Array,
  inSource?: string,
): Problem | undefined {
  if (!mayContradict(mediaType)) return undefined;
  let declared: string;
  try {
    declared = parseManifest(bytes, inSource).mediaType;
  } catch (error) {
    // The source could not serve it either.
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
  if (declared === mediaType) return undefined;
  const message = `it was pushed here as ${mediaType}, but is ${declared}: delete it here first`;
  return { problem: 'manifest-invalid', repo, digest, message };
}

/** @returns the bytes if they match their digest, else the problem */
export async function readManifest(
  repo: string,
  digest: Digest,
  entry: ManifestEntry,
  { source }: { readonly source: ImportSource },
): Promise<Uint8Array<ArrayBuffer> | Problem> {
  try {
    const target = await source.digestOf(entry);
    if (target === undefined) return broken(repo, digest);
    const size = await source.sizeOf(target);
    if (size === undefined) return missing(repo, digest);
    if (size > MAX_MANIFEST_BYTES) {
      const message = `the manifest has ${size} bytes, more than ${MAX_MANIFEST_BYTES}`;
      return { problem: 'manifest-invalid', repo, digest, message };
    }
    const bytes = await source.read(target);
    if (bytes === undefined || digestOf(algorithmOf(digest), bytes) !== digest) return wrong(repo, digest);
    return new Uint8Array(bytes);
  } catch (error) {
    if (!(error instanceof ForeignUnreadable)) throw error;
    return { problem: 'unreadable', repo, digest, message: error.message };
  }
}

/** Why a push of it would be refused; undefined if the error is not about the manifest. */
export function problemOf(error: RegistryError, repo: string, digest: Digest, bytes: Uint8Array): Problem | undefined {
  if (error.kind === 'manifest-references-unknown') {
    const missing = error.detail?.digests;
    const names = Array.isArray(missing) ? missing.join(', ') : 'some';
    return { problem: 'manifest-incomplete', repo, digest, message: `blobs that it references are missing: ${names}` };
  }
  if (error.kind !== 'manifest-invalid') return undefined;
  // Manifests of Docker's schema 1 have no mediaType, and nothing serves them any more.
  const isFirst = /"schemaVersion"\s*:\s*1\b/.test(new TextDecoder().decode(bytes.subarray(0, 1024)));
  const message = isFirst ? "a manifest of Docker's schema 1, which is no longer served" : error.message;
  return { problem: 'manifest-invalid', repo, digest, message };
}
