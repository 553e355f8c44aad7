import { z } from 'zod';
import { parseDigest } from '../oci/digest.ts';
import { jsonOf } from '../oci/json.ts';
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import type { ExportPlan } from './export-plan.ts';
import { blobFile } from './layout.ts';

/** What container engines run; a config of any other type belongs to an artifact. */
const CONFIG_TYPES = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'];
/** With more tags there is no list: an engine would load all of them. */
const MAX_TAGS = 1_000;

const digest = z.custom<Digest>((value) => typeof value === 'string' && parseDigest(value) !== undefined);
const imageSchema = z.object({
  config: z.object({ mediaType: z.enum(CONFIG_TYPES), digest }),
  layers: z.array(z.object({ digest })),
});

/**
 * The list of images by which `docker load` reads an archive, also where it does not know the OCI layout: the same blobs in Docker's own
 * format. Only images with a tag are in it, and none that is part of an index.
 * @returns undefined if there is none
 */
export async function dockerManifest(
  { manifests, objects }: ExportPlan,
  reader: StoreReader,
): Promise<Uint8Array | undefined> {
  const tagged = manifests.filter(({ tag, mediaType }) => tag !== undefined && shapeOf(mediaType) === 'image');
  if (tagged.length === 0 || tagged.length > MAX_TAGS) return undefined;
  const stored = new Map(objects.map((object) => [object.digest, object]));
  const images: unknown[] = [];
  for (const [of, named] of Map.groupBy(tagged, (each) => each.digest)) {
    const object = stored.get(of);
    if (object === undefined || object.size > MAX_MANIFEST_BYTES) continue;
    // Bytes that are missing or damaged are no image here. Writing them to the archive fails with their name.
    const image = imageSchema.safeParse(jsonOf((await reader.read(dataKey(object.inc))) ?? ''));
    if (!image.success) continue;
    const { config, layers } = image.data;
    const parts = [config, ...layers];
    if (!parts.every((part) => stored.has(part.digest))) continue;
    images.push({
      Config: blobFile(config.digest),
      RepoTags: named.map(({ repository, tag }) => `${repository}:${tag}`),
      Layers: layers.map((layer) => blobFile(layer.digest)),
    });
  }
  return images.length === 0 ? undefined : new TextEncoder().encode(JSON.stringify(images));
}
