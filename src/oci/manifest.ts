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
 * What a pushed manifest may hold: three times a manifest of 1,000 layers with five annotations each. 4 MiB of distinct keys would
 * hold the thread for a second.
 */
export const MANIFEST_LIMITS: JsonLimits = { values: 32 * 1024, escapes: 256 * 1024 };

/**
 * What the log keeps of a manifest at most, as bytes of JSON: slots are never deleted, and all of it is in every view. With the
 * rest of its event that is less than 256 KiB.
 */
export const MAX_KEPT_BYTES = 240 * 1024;

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

/**
 * Reads what a registry must know from the bytes of a manifest that is pushed.
 * @param contentType the request's Content-Type without parameters, undefined when there was none.
 * @throws RegistryError `manifest-invalid` with the field that is wrong, or the limit that it exceeds
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ManifestFacts {
  return finish(manifestSteps(bytes, contentType));
}

/** As `parseManifest`, in steps of some 20 ms at most. */
export function* manifestSteps(bytes: Uint8Array, contentType: string | undefined): Steps<ManifestFacts> {
  const manifest = fieldsOf(yield* strictJsonSteps(bytes, MANIFEST_LIMITS));
  refuseTwoShapes(manifest);
  yield;
  const facts = factsOf(manifest, mediaTypeOf(manifest, contentType));
  const kept = keptBytes(facts);
  if (kept > MAX_KEPT_BYTES) {
    throw invalidManifest(
      `the digests that it refers to, its artifactType and, with a subject, its annotations take ${kept} bytes; at most ${MAX_KEPT_BYTES} are kept of one manifest`,
    );
  }
  return facts;
}

/**
 * Reads a manifest that was pushed before, perhaps when there were fewer rules.
 * @param mediaType as it was pushed
 * @throws RegistryError `manifest-invalid`
 */
export function readStoredManifest(bytes: Uint8Array, mediaType: string): ManifestFacts {
  const manifest = fieldsOf(parseStrictJson(bytes));
  return factsOf(manifest, mediaTypeOf(manifest, mediaType));
}

function fieldsOf(json: StrictJson): Fields {
  if ('problem' in json) throw invalidManifest(json.problem);
  if (!isFields(json.value)) throw invalidManifest('a manifest is a JSON object');
  return json.value;
}

/**
 * One reader would take it for an image, the other for an index, and both for what was signed (CVE-2021-41190). `fsLayers` is
 * what Docker's schema 1 calls its layers.
 */
function refuseTwoShapes(manifest: Fields): void {
  if (!Object.hasOwn(manifest, 'manifests')) return;
  const other = ['config', 'layers', 'fsLayers'].find((field) => Object.hasOwn(manifest, field));
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

/** Fields that manifests of all shapes may have. */
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

/** Of a type that this registry does not know: what looks like OCI's fields is believed, the rest left alone. */
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

/** Bytes of JSON that the log keeps of a manifest. */
function keptBytes({ mediaType, artifactType, subject, annotations, refs }: ManifestFacts): number {
  // Quotes and comma.
  const digests = refs.reduce((sum, ref) => sum + ref.length + 3, 0);
  return digests + Buffer.byteLength(JSON.stringify([mediaType, artifactType, subject, annotations]));
}
