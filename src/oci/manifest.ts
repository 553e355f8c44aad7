import { RegistryError } from './errors.ts';
import {
  type Descriptor,
  descriptor,
  descriptors,
  type Fields,
  invalidManifest,
  isFields,
  optionalAnnotations,
  optionalText,
} from './fields.ts';
import { inAnyCase, refuseLookalikes } from './lookalike-keys.ts';
import { isMediaType, isNonDistributable, OCI_INDEX, OCI_MANIFEST, shapeOf } from './media-types.ts';
import type { Digest } from './names.ts';
import {
  finish,
  type JsonLimits,
  parseStrictJson,
  type Steps,
  type StrictJson,
  strictJsonSteps,
} from './strict-json.ts';

/** "A registry SHOULD enforce some limit … at least 4 megabytes" (spec, Pushing manifests). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * Three times what a manifest of 1,000 layers with five annotations each needs. Without these limits 4 MiB of distinct keys would
 * block the thread for a second.
 */
export const MANIFEST_LIMITS: JsonLimits = { values: 32 * 1024, escapes: 256 * 1024 };

/**
 * Limits what the log stores of one manifest, in bytes of JSON: slots are never deleted, and every view holds all of it. With the
 * other fields of its event a manifest takes less than 256 KiB.
 */
export const MAX_KEPT_BYTES = 240 * 1024;

/** What a registry needs to know about a manifest. The bytes themselves are stored unchanged. */
export interface ManifestFacts {
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly subject?: Digest;
  /** Only for manifests with a subject, because the referrers list shows them. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** All referenced digests except the subject, without duplicates. */
  readonly refs: readonly Digest[];
  /** The `refs` that must exist as blobs in the repository when the manifest is pushed. */
  readonly requiredBlobs: readonly Digest[];
}

/**
 * Parses a manifest that is being pushed.
 * @param contentType of the request, without parameters; undefined when there was none
 * @throws RegistryError `manifest-invalid` with the field that is wrong, or the limit that it exceeds
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ManifestFacts {
  return finish(manifestSteps(bytes, contentType));
}

/** Like `parseManifest`, in steps of at most about 20 ms. */
export function* manifestSteps(bytes: Uint8Array, contentType: string | undefined): Steps<ManifestFacts> {
  const manifest = fieldsOf(yield* strictJsonSteps(bytes, MANIFEST_LIMITS));
  refuseTwoShapes(manifest);
  const mediaType = mediaTypeOf(manifest, contentType);
  if (shapeOf(mediaType) !== 'other') refuseLookalikes(manifest);
  yield;
  const facts = factsOf(manifest, mediaType);
  const kept = keptBytes(facts);
  if (kept > MAX_KEPT_BYTES) {
    throw invalidManifest(
      `its referenced digests, its artifactType and, with a subject, its annotations take ${kept} bytes; the limit is ${MAX_KEPT_BYTES}`,
    );
  }
  return facts;
}

/**
 * Parses a manifest from storage. Today's limits do not apply: an older version may have accepted it.
 * @param mediaType with which it was pushed
 * @throws RegistryError `manifest-invalid`
 */
export function readStoredManifest(bytes: Uint8Array, mediaType: string): ManifestFacts {
  const manifest = fieldsOf(parseStrictJson(bytes));
  return factsOf(manifest, mediaTypeOf(manifest, mediaType));
}

/**
 * The manifests that an index lists, with their media types; none for anything but an index.
 * @param mediaType with which it was pushed
 * @throws RegistryError `manifest-invalid`
 */
export function manifestDescriptors(bytes: Uint8Array, mediaType: string): readonly Descriptor[] {
  if (shapeOf(mediaType) !== 'index') return [];
  return descriptors(fieldsOf(parseStrictJson(bytes)).manifests, 'manifests');
}

function fieldsOf(json: StrictJson): Fields {
  if ('problem' in json) throw invalidManifest(json.problem);
  if (!isFields(json.value)) throw invalidManifest('a manifest is a JSON object');
  return json.value;
}

const OF_INDEXES = inAnyCase(['manifests']).pattern;
const OF_IMAGES = inAnyCase(['config', 'layers', 'fsLayers']).pattern;

/**
 * Clients could disagree on whether such a body is an image or an index, although its signature covers both (CVE-2021-41190).
 * `fsLayers` are the layers of Docker's schema 1. The case of keys is ignored, as clients written in Go do.
 */
function refuseTwoShapes(manifest: Fields): void {
  const keys = Object.keys(manifest);
  if (!keys.some((key) => OF_INDEXES.test(key))) return;
  const other = keys.find((key) => OF_IMAGES.test(key));
  if (other !== undefined) throw invalidManifest(`it has manifests and ${other}: it must be an index or an image`);
}

function factsOf(manifest: Fields, mediaType: string): ManifestFacts {
  switch (shapeOf(mediaType)) {
    case 'image': {
      checkVersion(manifest);
      const config = descriptor(manifest.config, 'config');
      const blobs = [config, ...descriptors(manifest.layers, 'layers')];
      return facts(mediaType, commonOf(manifest), blobs, blobs.filter(mustBePresent), config.mediaType);
    }
    case 'index':
      checkVersion(manifest);
      // "A registry MAY reject a manifest … with descriptors … that do not exist": a sparse index is accepted.
      return facts(mediaType, commonOf(manifest), descriptors(manifest.manifests, 'manifests'), [], undefined);
    case 'artifact': {
      const blobs = manifest.blobs === undefined ? [] : descriptors(manifest.blobs, 'blobs');
      return facts(mediaType, commonOf(manifest), blobs, blobs.filter(mustBePresent), undefined);
    }
    case 'other':
      return facts(mediaType, believableOf(manifest), [], [], undefined);
  }
}

function checkVersion({ schemaVersion }: Fields): void {
  if (schemaVersion !== 2) throw invalidManifest('schemaVersion: is not 2');
}

function mustBePresent({ mediaType, hasUrls }: Descriptor): boolean {
  return !isNonDistributable(mediaType) && !hasUrls;
}

function mediaTypeOf(manifest: Fields, contentType: string | undefined): string {
  const own = optionalText(manifest.mediaType, 'mediaType');
  // "If a manifest includes a `mediaType` field, clients MUST set the `Content-Type` header to the value specified".
  if (contentType !== undefined && own !== undefined && own !== contentType) {
    throw invalidManifest(`the Content-Type is ${contentType} but the manifest says mediaType ${JSON.stringify(own)}`);
  }
  const mediaType = contentType ?? own ?? guessMediaType(manifest);
  if (mediaType === undefined || !isMediaType(mediaType)) {
    throw invalidManifest('send its media type in the Content-Type header, or in the field mediaType');
  }
  return mediaType;
}

function guessMediaType(manifest: Fields): string | undefined {
  if (Array.isArray(manifest.manifests)) return OCI_INDEX;
  return manifest.config !== undefined ? OCI_MANIFEST : undefined;
}

/** Fields that any kind of manifest may have. */
interface Common {
  readonly artifactType: string | undefined;
  readonly subject: Digest | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

function commonOf({ artifactType, subject, annotations }: Fields): Common {
  return {
    artifactType: optionalText(artifactType, 'artifactType'),
    subject: subject === undefined ? undefined : descriptor(subject, 'subject').digest,
    annotations: optionalAnnotations(annotations, 'annotations'),
  };
}

/** For unknown media types: fields that are valid OCI fields are used, all others are ignored. */
function believableOf({ artifactType, subject, annotations }: Fields): Common {
  return {
    artifactType: ifValid(() => optionalText(artifactType, '')),
    subject: ifValid(() => descriptor(subject, '').digest),
    annotations: ifValid(() => optionalAnnotations(annotations, '')),
  };
}

function ifValid<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

function facts(
  mediaType: string,
  common: Common,
  descriptors: readonly Descriptor[],
  required: readonly Descriptor[],
  configType: string | undefined,
): ManifestFacts {
  const { subject, annotations } = common;
  // "If the `artifactType` is empty or missing in the image manifest, the value … MUST be set to the config descriptor
  // `mediaType` value. If … missing in an index, the `artifactType` MUST be omitted."
  const artifactType =
    common.artifactType === undefined || common.artifactType === '' ? configType : common.artifactType;
  return {
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(subject === undefined || annotations === undefined ? {} : { annotations }),
    refs: unique(descriptors),
    requiredBlobs: unique(required),
  };
}

function unique(descriptors: readonly Descriptor[]): Digest[] {
  return [...new Set(descriptors.map((each) => each.digest))];
}

/** The bytes of JSON that the log stores of a manifest. */
function keptBytes({ mediaType, artifactType, subject, annotations, refs }: ManifestFacts): number {
  // Two quotes and a comma.
  const digests = refs.reduce((sum, ref) => sum + ref.length + 3, 0);
  return digests + Buffer.byteLength(JSON.stringify([mediaType, artifactType, subject, annotations]));
}
