import type { RepositoryState } from '../journal/fold.ts';
import { RegistryError } from '../oci/errors.ts';
import { MANIFEST_LIMITS, MAX_MANIFEST_BYTES } from '../oci/manifest.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import { finish, strictJsonSteps } from '../oci/strict-json.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { collectedAt } from './collected.ts';
import type { ComparedManifest } from './manifest-diff.ts';
import { formatTime } from './moment.ts';

export interface ManifestReads {
  readonly driver: StoreReader;
  /** Milliseconds. */
  readonly now: () => number;
  /** Awaited before each piece of work that takes a few milliseconds. Lets other requests run when it is time for that. */
  readonly yieldToRequests: () => Promise<void>;
}

/** A longer config is not compared. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/** A repository as it was after a slot. */
interface At {
  readonly repo: RepositoryName;
  readonly state: RepositoryState;
  /** ISO 8601. */
  readonly time: string | undefined;
}

/**
 * A manifest and its config for a comparison.
 * @throws RegistryError `manifest-unknown` if the repository did not have it, or its bytes were freed
 */
export async function readCompared(
  at: At,
  reference: { readonly tag: Tag } | { readonly digest: Digest },
  reads: ManifestReads,
): Promise<ComparedManifest> {
  const { repo, state } = at;
  const digest = 'tag' in reference ? state.tag(reference.tag) : reference.digest;
  const record = digest === undefined ? undefined : state.manifest(digest);
  if (digest === undefined || record === undefined) {
    const what = 'tag' in reference ? `tag ${reference.tag}` : `manifest ${reference.digest}`;
    throw new RegistryError('manifest-unknown', `${repo} has no ${what} at slot ${state.seq}`, reference);
  }
  const { mediaType, size, inc } = record;
  const bytes = size > MAX_MANIFEST_BYTES ? undefined : await reads.driver.read(dataKey(inc));
  if (bytes === undefined) throw await freed(at, digest, inc, reads);
  await reads.yieldToRequests();
  const json = boundedJsonOf(bytes);
  return { digest, mediaType, size, json, config: await readConfig(json, state, reads) };
}

async function readConfig(
  manifest: unknown,
  state: RepositoryState,
  { driver, yieldToRequests }: ManifestReads,
): Promise<unknown> {
  if (typeof manifest !== 'object' || manifest === null || !('config' in manifest)) return undefined;
  const { config } = manifest;
  if (typeof config !== 'object' || config === null || !('digest' in config)) return undefined;
  const link = typeof config.digest === 'string' ? state.blob(config.digest as Digest) : undefined;
  if (link === undefined || link.size > MAX_CONFIG_BYTES) return undefined;
  const bytes = await driver.read(dataKey(link.inc));
  if (bytes === undefined) return undefined;
  await yieldToRequests();
  return boundedJsonOf(bytes);
}

/** Anyone may push a config that nests so deeply, or has so many members, that parsing it takes seconds. Such a one is not compared. */
function boundedJsonOf(bytes: Uint8Array): unknown {
  const parsed = finish(strictJsonSteps(bytes, MANIFEST_LIMITS));
  return 'value' in parsed ? parsed.value : undefined;
}

async function freed(
  { repo, time }: At,
  digest: Digest,
  inc: Incarnation,
  { driver, now }: ManifestReads,
): Promise<RegistryError> {
  const collected = await collectedAt(driver, inc, time === undefined ? 0 : Date.parse(time), now);
  const when = collected === undefined ? '' : ` at ${formatTime(collected)}`;
  return new RegistryError(
    'manifest-unknown',
    `garbage collection has freed the bytes of the manifest ${digest} of ${repo}${when}`,
    { digest },
  );
}
