import { RegistryError } from '../oci/errors.ts';
import { readStoredManifest } from '../oci/manifest.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest } from '../oci/names.ts';

/** A longer manifest is not examined, because parsing it could take longer than serving it. Images with such layers are far smaller. */
const MAX_EXAMINED_BYTES = 64 * 1024;

/** Every manifest with a descriptor whose bytes may be stored outside the registry contains one of these. */
const MARKERS = ['"urls"', '.nondistributable.', '.foreign.'];

const NONE: readonly Digest[] = [];

/** Keyed by the cached byte array, so a manifest is examined only once while it is served from memory. */
const examined = new WeakMap<Uint8Array, readonly Digest[]>();

/** Blobs of a manifest that its repository need not have: non-distributable layers and layers with `urls`. */
export function optionalBlobs(bytes: Uint8Array, mediaType: string): readonly Digest[] {
  const known = examined.get(bytes);
  if (known !== undefined) return known;
  const optional = examine(bytes, mediaType);
  examined.set(bytes, optional);
  return optional;
}

function examine(bytes: Uint8Array, mediaType: string): readonly Digest[] {
  const shape = shapeOf(mediaType);
  if ((shape !== 'image' && shape !== 'artifact') || bytes.length > MAX_EXAMINED_BYTES) return NONE;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!MARKERS.some((marker) => text.includes(marker))) return NONE;
  try {
    const { refs, requiredBlobs } = readStoredManifest(bytes, mediaType);
    const required = new Set(requiredBlobs);
    return refs.filter((ref) => !required.has(ref));
  } catch (error) {
    // An earlier version with fewer rules stored this manifest. Only a warning is lost.
    if (error instanceof RegistryError) return NONE;
    throw error;
  }
}

const MAX_NAMED = 3;

/** The warning about layers that the client has to get elsewhere. */
export function absentWarning(absent: readonly Digest[]): string {
  const [names, more] = [absent.slice(0, MAX_NAMED).join(', '), absent.length > MAX_NAMED ? ', ...' : ''];
  const subject =
    absent.length === 1 ? 'a non-distributable layer is' : `${absent.length} non-distributable layers are`;
  return `${subject} not in this registry: ${names}${more}`;
}
