/** Media types with a meaning to a registry. Any other type is stored and given back as it came. */
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

// RFC 6838: type "/" subtype, restricted names. Anything else could not be sent back as a header.
const MEDIA_TYPE = /^[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}\/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}$/;

export function isMediaType(text: string): boolean {
  return MEDIA_TYPE.test(text);
}

/** Layers that a registry need not hold: their bytes come from the urls in their descriptor. */
export function isNonDistributable(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.v1.') ||
    mediaType === 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
  );
}
