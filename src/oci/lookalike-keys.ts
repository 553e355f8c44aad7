import { type Fields, invalidManifest, isFields } from './fields.ts';

/** Fields that a registry or a client reads. */
const MANIFEST_FIELDS = namesOf([
  ...['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests', 'blobs', 'fsLayers'],
  ...['subject', 'annotations'],
]);
const DESCRIPTOR_FIELDS = namesOf([
  ...['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'artifactType', 'platform'],
]);

interface Names {
  readonly exact: ReadonlySet<string>;
  readonly folded: ReadonlySet<string>;
  readonly longest: number;
}

function namesOf(names: readonly string[]): Names {
  return {
    exact: new Set(names),
    folded: new Set(names.map(foldCase)),
    longest: Math.max(...names.map((name) => name.length)),
  };
}

/**
 * Go's JSON reader, which most clients and scanners use, takes the key `Layers` for the field `layers`, and the last one counts. So such a
 * client would pull other layers than the registry has looked at and keeps.
 * @throws RegistryError `manifest-invalid` if a key of the manifest or of one of its descriptors is a field except for its case
 */
export function refuseLookalikes(manifest: Fields): void {
  refuseIn(manifest, MANIFEST_FIELDS, '');
  const { config, subject, layers, manifests, blobs } = manifest;
  for (const [path, value] of Object.entries({ config, subject })) {
    if (isFields(value)) refuseIn(value, DESCRIPTOR_FIELDS, `${path}.`);
  }
  for (const [path, list] of Object.entries({ layers, manifests, blobs })) {
    if (!Array.isArray(list)) continue;
    for (const [index, each] of list.entries()) {
      if (isFields(each)) refuseIn(each, DESCRIPTOR_FIELDS, `${path}.${index}.`);
    }
  }
}

/** The keys of a manifest as Go's JSON reader compares them with the names of fields. Longer keys than any field's are left out. */
export function foldedKeys(manifest: Fields): ReadonlySet<string> {
  return new Set(
    Object.keys(manifest)
      .filter((key) => key.length <= MANIFEST_FIELDS.longest)
      .map(foldCase),
  );
}

function refuseIn(fields: Fields, { exact, folded, longest }: Names, path: string): void {
  for (const key of Object.keys(fields)) {
    if (exact.has(key) || key.length > longest || !folded.has(foldCase(key))) continue;
    throw invalidManifest(`${path}${key}: differs only in case from a field that clients read`);
  }
}

/** Ignores case as Go does, for which the long s (U+017F) is also an s, and the Kelvin sign (U+212A) a k. */
export function foldCase(key: string): string {
  return key.toUpperCase().toLowerCase();
}
