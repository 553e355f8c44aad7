/** The media types that a registry interprets. Content of any other type is stored and served unchanged. */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** Which fields of a manifest hold descriptors. */
export type ManifestShape = 'image' | 'index' | 'artifact' | 'other';

export function shapeOf(mediaType: string): ManifestShape {
  switch (mediaType) {
    case OCI_MANIFEST:
    case DOCKER_MANIFEST:
      return 'image';
    case OCI_INDEX:
    case DOCKER_LIST:
      return 'index';
    case OCI_ARTIFACT:
      return 'artifact';
    default:
      return 'other';
  }
}

// RFC 6838: type "/" subtype, restricted names. Anything else cannot be served in a Content-Type header.
const MEDIA_TYPE = /^[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}\/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}$/;

export function isMediaType(text: string): boolean {
  return MEDIA_TYPE.test(text);
}

/** RFC 6838, section 4.2: the two names of a media type have at most 127 characters each. */
const MAX_MEDIA_TYPE = 255;

/**
 * An artifactType as lists of many manifests show it. It may be any text that fits into a manifest, and lists of long ones would fill the
 * memory of the registry and of its clients, so what is too long for a media type is left out.
 */
export function listedType(artifactType: string | undefined): string | undefined {
  return artifactType !== undefined && artifactType.length <= MAX_MEDIA_TYPE ? artifactType : undefined;
}

/** Layers that may be absent from the registry: clients fetch them from the urls in the descriptor. */
export function isNonDistributable(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.v1.') ||
    mediaType === 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
  );
}
