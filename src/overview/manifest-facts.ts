import { isBuildAttestation } from '../inspection/attachments.ts';
import { MAX_BLOB_BYTES } from '../inspection/contents.ts';
import { type ManifestParts, partsOf, platformOf } from '../inspection/image.ts';
import { contentKindOf } from '../inspection/media-types.ts';
import { parsePartialJson } from '../inspection/partial-json.ts';
import { descriptionIn } from '../inspection/readme.ts';
import { fieldsOf, textRecordOf } from '../inspection/untrusted.ts';
import { parseDigest } from '../oci/digest.ts';
import type { Digest, Incarnation } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import type { ManifestFacts, UnreadManifest } from './manifest-rows.ts';

/** Labels and annotations of one manifest that can be found, and characters of each. */
const MAX_LABELS = 64;
const MAX_KEY = 128;
const MAX_VALUE = 1_024;
const MAX_PLATFORMS = 20;

export interface FactsPorts {
  readonly driver: Pick<StoreReader, 'read'>;
  /** Where the repository has the bytes of a blob. */
  readonly find: (repo: number, digest: Digest) => { readonly inc: Incarnation; readonly size: number } | undefined;
}

/**
 * Reads a manifest and its config. Nothing in them is trusted.
 * @returns undefined if the manifest is gone or no JSON
 */
export async function readFacts(
  manifest: UnreadManifest,
  { driver, find }: FactsPorts,
): Promise<ManifestFacts | undefined> {
  const json = await readJson(driver, manifest);
  if (json === undefined) return undefined;
  const parts = partsOf(json);
  const digest = parts.config === undefined ? undefined : parseDigest(parts.config.digest);
  const isJson = parts.config?.mediaType.endsWith('json') === true;
  const found = digest !== undefined && isJson ? find(manifest.repo, digest) : undefined;
  const config = fieldsOf(found === undefined ? undefined : await readJson(driver, found));
  const labels = textRecordOf(fieldsOf(config.config).Labels);
  return {
    kind: contentKindOf({
      mediaType: manifest.media_type,
      artifactType: manifest.artifact_type ?? undefined,
      annotations: parts.annotations,
      layers: parts.layers,
    }),
    platforms: platformsOf(parts, platformOf(config)),
    created: typeof config.created === 'string' ? validTime(Date.parse(config.created)) : undefined,
    hasAttestation: parts.manifests.some(isBuildAttestation),
    description: descriptionIn(parts.annotations, labels),
    labels: [...Object.entries(labels), ...Object.entries(parts.annotations)]
      .filter(([, value]) => value !== '')
      .slice(0, MAX_LABELS)
      .map(([key, value]) => [key.slice(0, MAX_KEY), value.slice(0, MAX_VALUE)]),
  };
}

async function readJson(
  driver: FactsPorts['driver'],
  { inc, size }: { readonly inc: Incarnation; readonly size: number },
): Promise<unknown> {
  if (size > MAX_BLOB_BYTES) return undefined;
  const bytes = await driver.read(dataKey(inc));
  return bytes === undefined ? undefined : parsePartialJson(bytes, false)?.value;
}

function platformsOf({ manifests }: ManifestParts, own: string | undefined): string[] {
  const listed = manifests.flatMap(({ platform }) => platform ?? []);
  return [...new Set(own === undefined ? listed : [own])].slice(0, MAX_PLATFORMS);
}

function validTime(milliseconds: number): number | undefined {
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
