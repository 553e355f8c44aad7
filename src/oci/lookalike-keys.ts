import { type Fields, invalidManifest, isFields } from './fields.ts';

/*
 * Go's JSON reader, which most clients and scanners use, takes the key `Layers` for the field `layers`, and the last one counts. So such a
 * client would pull other layers than the registry has looked at and keeps. Like Go, these patterns ignore case by Unicode's simple case
 * folding: the long s (U+017F) is also an s, and the Kelvin sign (U+212A) a k.
 */

/** The fields of a manifest that a registry or a client reads. */
const MANIFEST_FIELD = inAnyCase([
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'blobs',
  'fsLayers',
  'subject',
  'annotations',
]);
const DESCRIPTOR_FIELD = inAnyCase([
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'artifactType',
  'platform',
]);

interface FieldNames {
  readonly exact: ReadonlySet<string>;
  readonly pattern: RegExp;
}

/** Field names, with a pattern that matches them in any case. */
export function inAnyCase(names: readonly string[]): FieldNames {
  return { exact: new Set(names), pattern: new RegExp(`^(?:${names.join('|')})$`, 'iu') };
}

/** @throws RegistryError `manifest-invalid` if a key of the manifest or of one of its descriptors is a field except for its case */
export function refuseLookalikes(manifest: Fields): void {
  refuseIn(manifest, MANIFEST_FIELD, '');
  const { config, subject, layers, manifests, blobs } = manifest;
  for (const [path, value] of Object.entries({ config, subject })) {
    if (isFields(value)) refuseIn(value, DESCRIPTOR_FIELD, `${path}.`);
  }
  for (const [path, list] of Object.entries({ layers, manifests, blobs })) {
    if (!Array.isArray(list)) continue;
    for (const [index, each] of list.entries()) {
      if (isFields(each)) refuseIn(each, DESCRIPTOR_FIELD, `${path}.${index}.`);
    }
  }
}

function refuseIn(fields: Fields, { exact, pattern }: FieldNames, path: string): void {
  const lookalike = Object.keys(fields).find((key) => pattern.test(key) && !exact.has(key));
  if (lookalike === undefined) return;
  throw invalidManifest(`${path}${lookalike}: differs only in case from a field that clients read`);
}
