import { z } from 'zod';
import { parseDigest } from './digest.ts';
import { RegistryError } from './errors.ts';
import { isMediaType, isNonDistributable, OCI_INDEX, OCI_MANIFEST, shapeOf } from './media-types.ts';
import type { Digest } from './names.ts';
import { parseStrictJson } from './strict-json.ts';

/** "A registry SHOULD enforce some limit … at least 4 megabytes" (spec, Pushing manifests). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** What a registry needs to know of a manifest; its bytes are kept beside this, untouched. */
export interface ManifestFacts {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Digest;
  /** Only of manifests with a subject: the referrers list repeats them. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Everything it refers to but its subject, each digest once. */
  readonly refs: readonly Digest[];
  /** Those of `refs` that must be blobs of the repository when the manifest is pushed. */
  readonly requiredBlobs: readonly Digest[];
}

const digest = z.string().transform((text, context): Digest => {
  const parsed = parseDigest(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'is not a sha256 or sha512 digest' });
  return z.NEVER;
});

const descriptor = z.looseObject({
  mediaType: z.string(),
  digest,
  size: z.int().nonnegative(),
  urls: z.array(z.string()).optional(),
});
type Descriptor = z.infer<typeof descriptor>;

const common = {
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  subject: descriptor.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
};

const shapes = {
  image: z.looseObject({ ...common, schemaVersion: z.literal(2), config: descriptor, layers: z.array(descriptor) }),
  index: z.looseObject({ ...common, schemaVersion: z.literal(2), manifests: z.array(descriptor) }),
  artifact: z.looseObject({ ...common, blobs: z.array(descriptor).optional() }),
  // A type this registry does not know: its bytes are kept, and what looks like OCI's fields is believed.
  other: z.looseObject({
    mediaType: z.string().optional().catch(undefined),
    artifactType: z.string().optional().catch(undefined),
    subject: descriptor.optional().catch(undefined),
    annotations: z.record(z.string(), z.string()).optional().catch(undefined),
  }),
};

/**
 * Reads what a registry must know from a manifest's bytes.
 * @param contentType the request's Content-Type without parameters, undefined when there was none.
 * @throws RegistryError `manifest-invalid` with the field that is wrong.
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ManifestFacts {
  const json = parseStrictJson(bytes);
  if ('problem' in json) throw invalid(json.problem);
  if (typeof json.value !== 'object' || json.value === null || Array.isArray(json.value)) {
    throw invalid('a manifest is a JSON object');
  }
  const mediaType = mediaTypeOf(json.value as Readonly<Record<string, unknown>>, contentType);
  switch (shapeOf(mediaType)) {
    case 'image': {
      const manifest = check(shapes.image, json.value);
      const blobs = [manifest.config, ...manifest.layers];
      return facts(mediaType, manifest, blobs, blobs.filter(mustBePresent), manifest.config.mediaType);
    }
    case 'index': {
      const index = check(shapes.index, json.value);
      // "A registry MAY reject a manifest … with descriptors … that do not exist": a sparse index is accepted.
      return facts(mediaType, index, index.manifests, [], undefined);
    }
    case 'artifact': {
      const artifact = check(shapes.artifact, json.value);
      const blobs = artifact.blobs ?? [];
      return facts(mediaType, artifact, blobs, blobs.filter(mustBePresent), undefined);
    }
    case 'other':
      return facts(mediaType, check(shapes.other, json.value), [], [], undefined);
  }
}

function mustBePresent(layer: Descriptor): boolean {
  return !isNonDistributable(layer.mediaType) && (layer.urls === undefined || layer.urls.length === 0);
}

function mediaTypeOf(manifest: Readonly<Record<string, unknown>>, contentType: string | undefined): string {
  const own = manifest.mediaType;
  if (own !== undefined && typeof own !== 'string') throw invalid('mediaType: is not a string');
  // "If a manifest includes a `mediaType` field, clients MUST set the `Content-Type` header to the value specified".
  if (contentType !== undefined && own !== undefined && own !== contentType) {
    throw invalid(`the Content-Type is ${contentType} but the manifest says mediaType ${JSON.stringify(own)}`);
  }
  const mediaType = contentType ?? own ?? guessMediaType(manifest);
  if (mediaType === undefined || !isMediaType(mediaType)) {
    throw invalid('send its media type in the Content-Type header, or in the field mediaType');
  }
  return mediaType;
}

function guessMediaType(manifest: Readonly<Record<string, unknown>>): string | undefined {
  if (Array.isArray(manifest.manifests)) return OCI_INDEX;
  return manifest.config !== undefined ? OCI_MANIFEST : undefined;
}

function facts(
  mediaType: string,
  manifest: z.infer<typeof shapes.other>,
  descriptors: readonly Descriptor[],
  required: readonly Descriptor[],
  configType: string | undefined,
): ManifestFacts {
  // "If the `artifactType` is empty or missing in the image manifest, the value … MUST be set to the config descriptor
  // `mediaType` value. If … missing in an index, the `artifactType` MUST be omitted."
  const artifactType =
    manifest.artifactType === undefined || manifest.artifactType === '' ? configType : manifest.artifactType;
  const subject = manifest.subject?.digest;
  return {
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(subject === undefined || manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
    refs: unique(descriptors),
    requiredBlobs: unique(required),
  };
}

function unique(descriptors: readonly Descriptor[]): Digest[] {
  return [...new Set(descriptors.map((each) => each.digest))];
}

function check<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(`${issue?.path.join('.') ?? 'manifest'}: ${issue?.message ?? 'is invalid'}`);
}

/** Longest problem that is told: it may quote what the client sent. */
const MAX_PROBLEM = 300;

function invalid(problem: string): RegistryError {
  return new RegistryError('manifest-invalid', `the manifest is invalid: ${problem.slice(0, MAX_PROBLEM)}`);
}
