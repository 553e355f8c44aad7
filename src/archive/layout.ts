import { z } from 'zod';
import { parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { jsonOf } from '../oci/json.ts';
import { isMediaType } from '../oci/media-types.ts';
import { type Digest, parseTag } from '../oci/names.ts';

/*
 * The OCI image layout, as files of a tar archive:
 *
 *   oci-layout                   the version of the layout
 *   index.json                   descriptors of the manifests where a reader begins, with their names in annotations
 *   blobs/<algorithm>/<hex>      manifests and blobs alike
 */

export const LAYOUT_FILE = 'oci-layout';
export const INDEX_FILE = 'index.json';
/** Files of Docker's own archive format. */
export const DOCKER_MANIFEST_FILE = 'manifest.json';
export const DOCKER_FILES = [DOCKER_MANIFEST_FILE, 'repositories'] as const;

/** "The value will align with the OCI Image Specification version at the time changes to the layout are made" (image spec, Image Layout). */
export const LAYOUT_VERSION = '1.0.0';

/** "Name of the reference for a target … SHOULD only be considered valid when on descriptors on `index.json`" (image spec, Annotations). */
const REF_NAME = 'org.opencontainers.image.ref.name';
/** What containerd and Docker call an image: [host/]repository:tag. */
const IMAGE_NAME = 'io.containerd.image.name';
/** Ours: the repository of a manifest, also of one without a tag. */
const REPOSITORY = 'marina.repository';

export const MAX_INDEX_BYTES = 16 * 1024 * 1024;

/** A manifest in index.json. */
export interface Root {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** Neither is validated; undefined if the archive does not say. */
  readonly repository: string | undefined;
  readonly tag: string | undefined;
}

const descriptorSchema = z.object({
  mediaType: z.string().refine(isMediaType),
  digest: z.custom<Digest>((value) => typeof value === 'string' && parseDigest(value) !== undefined),
  size: z.int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const layoutSchema = z.object({ imageLayoutVersion: z.string() });
const indexSchema = z.object({ manifests: z.array(descriptorSchema) });
type Annotations = z.infer<typeof descriptorSchema>['annotations'];

/** @throws RegistryError `request-invalid` for anything but a layout of version 1 */
export function requireLayout(bytes: Uint8Array): void {
  const layout = layoutSchema.safeParse(jsonOf(bytes));
  if (!layout.success) throw invalid('its oci-layout does not say the version of the layout');
  const { imageLayoutVersion } = layout.data;
  if (!imageLayoutVersion.startsWith('1.'))
    throw invalid(
      `it has the layout version ${JSON.stringify(imageLayoutVersion.slice(0, 40))}, which is not known here`,
    );
}

/** @throws RegistryError `request-invalid` */
export function rootsOf(index: Uint8Array): Root[] {
  const parsed = indexSchema.safeParse(jsonOf(index));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? '' : `: ${issue.path.join('.')}`;
    throw invalid(`its index.json is no index of manifests${where}`);
  }
  return parsed.data.manifests.map(({ annotations, ...descriptor }) => ({ ...descriptor, ...placeOf(annotations) }));
}

/** Where a descriptor of index.json says that its manifest belongs. */
export function placeOf(annotations: Annotations): Pick<Root, 'repository' | 'tag'> {
  const own = annotations?.[REPOSITORY];
  const ref = annotations?.[REF_NAME];
  if (own !== undefined) {
    const tag = ref?.startsWith(`${own}:`) === true ? ref.slice(own.length + 1) : ref;
    return { repository: own, tag };
  }
  const name = annotations?.[IMAGE_NAME] ?? ref;
  if (name === undefined || parseTag(name) !== undefined) return { repository: undefined, tag: name };
  return parseName(name);
}

/** `[host/]repository[:tag][@digest]`, as container engines name images. */
function parseName(name: string): Pick<Root, 'repository' | 'tag'> {
  const [path = ''] = name.split('@');
  const colon = path.indexOf(':', path.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : path.slice(colon + 1);
  const repository = colon < 0 ? path : path.slice(0, colon);
  const slash = repository.indexOf('/');
  const first = repository.slice(0, Math.max(0, slash));
  const hasHost = first === 'localhost' || first.includes('.') || first.includes(':');
  return { repository: hasHost ? repository.slice(slash + 1) : repository, tag };
}

/** A manifest that index.json is to name. */
export interface NamedManifest {
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly digest: Digest;
  readonly size: number;
  readonly repository: string;
  readonly tag: string | undefined;
}

/**
 * The two files that make an archive a layout.
 * @returns their bytes, by name
 * @throws RegistryError `request-invalid` if `load` could not read them
 */
export function layoutFiles(manifests: readonly NamedManifest[]): ReadonlyMap<string, Uint8Array> {
  const isOne = new Set(manifests.map(({ repository }) => repository)).size === 1;
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: manifests.map(({ repository, tag, artifactType, ...descriptor }) => ({
      ...descriptor,
      ...(artifactType === undefined ? {} : { artifactType }),
      annotations: { ...(tag === undefined ? {} : namesOf(repository, tag, isOne)), [REPOSITORY]: repository },
    })),
  };
  const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  const indexBytes = bytes(index);
  if (indexBytes.length > MAX_INDEX_BYTES) {
    const message = `${manifests.length} manifests are more than an archive can name: export fewer tags at once`;
    throw new RegistryError('request-invalid', message);
  }
  return new Map([
    [LAYOUT_FILE, bytes({ imageLayoutVersion: LAYOUT_VERSION })],
    [INDEX_FILE, indexBytes],
  ]);
}

/** Clients select an image by the exact text of its reference: oras knows tags only, skopeo any text. */
function namesOf(repository: string, tag: string, isOne: boolean): Readonly<Record<string, string>> {
  const name = `${repository}:${tag}`;
  return { [REF_NAME]: isOne ? tag : name, [IMAGE_NAME]: name };
}

export function blobFile(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** The problem of an archive, without its name. */
export function invalid(problem: string): RegistryError {
  return new RegistryError('request-invalid', problem);
}
