import type { Digest } from '../oci/names.ts';

/** A manifest, with the parts of its JSON that are compared. Nothing in them is trusted to have the shape that the spec demands. */
export interface ComparedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
  readonly json: unknown;
  /** The config as JSON; undefined if there is none, it is no JSON, too long or gone. */
  readonly config: unknown;
}

export interface PartDifference {
  readonly change: 'same' | 'added' | 'gone';
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** Of a manifest in an index. */
  readonly platform?: string;
}

/** A field whose value differs: `from` is undefined if it is new, `to` if it is gone. Values that are not texts are given as JSON. */
export interface FieldDifference {
  readonly field: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** What differs between two manifests. */
export interface ManifestDiff {
  readonly kind: 'manifests';
  readonly from: ManifestSide;
  readonly to: ManifestSide;
  /** The layers of images, the manifests of indexes: in the order of `to`, those that are gone where they were. */
  readonly layers: readonly PartDifference[];
  readonly manifests: readonly PartDifference[];
  /** Fields of the manifests beside these, and of their configs. */
  readonly fields: readonly FieldDifference[];
  /** Bytes of layers and manifests that are in both, only in `to`, or only in `from`. */
  readonly bytes: { readonly same: number; readonly added: number; readonly gone: number };
}

export interface ManifestSide {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest, its config and its layers, or of the manifests that it names. */
  readonly total: number;
}

interface Part {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly platform: string | undefined;
}

/** What does not describe the image: it follows from the layers, or is compared as such. */
const LEFT_OUT: ReadonlySet<string> = new Set(['layers', 'manifests', 'config', 'rootfs', 'history']);
/** The most fields, and the most characters of one value. */
const MAX_FIELDS = 1_000;
const MAX_VALUE = 4_096;
const MAX_DEPTH = 8;
/** The most fields of one side, and the most characters that lead to one: a hostile config may have a million fields with long names. */
const [MAX_COLLECTED, MAX_PATH] = [10_000, 500];

/** Pure. */
export function compareManifests(from: ComparedManifest, to: ComparedManifest): ManifestDiff {
  const layers = compareParts(partsOf(from.json, 'layers'), partsOf(to.json, 'layers'));
  const manifests = compareParts(partsOf(from.json, 'manifests'), partsOf(to.json, 'manifests'));
  const bytesOf = (change: PartDifference['change']): number =>
    [...layers, ...manifests].reduce((sum, part) => (part.change === change ? sum + part.size : sum), 0);
  return {
    kind: 'manifests',
    from: sideOf(from),
    to: sideOf(to),
    layers,
    manifests,
    fields: compareFields(fieldsOf(from), fieldsOf(to)),
    bytes: { same: bytesOf('same'), added: bytesOf('added'), gone: bytesOf('gone') },
  };
}

function sideOf({ digest, mediaType, size, json }: ComparedManifest): ManifestSide {
  const config = isObject(json) ? partOf(json.config) : undefined;
  const parts = [...partsOf(json, 'layers'), ...partsOf(json, 'manifests'), ...(config === undefined ? [] : [config])];
  return { digest, mediaType, total: parts.reduce((sum, part) => sum + part.size, size) };
}

/** Takes time in proportion to the parts, of which a hostile manifest may have 50,000. */
function compareParts(before: readonly Part[], after: readonly Part[]): PartDifference[] {
  // The first place of each, because an empty layer may come several times.
  const places = new Map(before.map(({ digest }, index) => [digest, index] as const).reverse());
  const current = new Set(after.map(({ digest }) => digest));
  const found: PartDifference[] = [];
  let next = 0;
  const showGone = (end: number, untilKept: boolean): void => {
    for (; next < end; next++) {
      const part = before[next];
      if (part === undefined) return;
      if (!current.has(part.digest)) found.push(differenceOf(part, 'gone'));
      else if (untilKept) return;
    }
  };
  for (const part of after) {
    const place = places.get(part.digest);
    if (place === undefined) {
      // What was replaced comes before what replaces it.
      showGone(before.length, true);
      found.push(differenceOf(part, 'added'));
      continue;
    }
    showGone(place, false);
    found.push(differenceOf(part, 'same'));
    next = Math.max(next, place + 1);
  }
  showGone(before.length, false);
  return found;
}

function differenceOf({ platform, ...part }: Part, change: PartDifference['change']): PartDifference {
  return { change, ...part, ...(platform === undefined ? {} : { platform }) };
}

function partsOf(json: unknown, name: 'layers' | 'manifests'): Part[] {
  const list = isObject(json) ? json[name] : undefined;
  return Array.isArray(list) ? list.flatMap((each: unknown) => partOf(each) ?? []) : [];
}

function partOf(descriptor: unknown): Part | undefined {
  if (!isObject(descriptor) || typeof descriptor.digest !== 'string') return undefined;
  const { digest, mediaType, size, platform } = descriptor;
  return {
    digest,
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    size: typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : 0,
    platform: isObject(platform) ? platformOf(platform) : undefined,
  };
}

function platformOf({ os, architecture, variant }: Readonly<Record<string, unknown>>): string {
  return [os, architecture, variant].filter((each) => typeof each === 'string').join('/');
}

/** The first fields of the manifest and, below `config`, those of the config: `config.config.Env.PATH`. */
function fieldsOf({ json, config }: ComparedManifest): Map<string, string> {
  const fields = new Map<string, string>();
  collect(json, '', fields, 0);
  collect(config, 'config.', fields, 0);
  return fields;
}

function collect(value: unknown, path: string, fields: Map<string, string>, depth: number): void {
  if (!isObject(value)) return;
  for (const [name, each] of Object.entries(value)) {
    if (fields.size >= MAX_COLLECTED) return;
    if (depth === 0 && LEFT_OUT.has(name) && !(path === 'config.' && name === 'config')) continue;
    const field = `${path}${name}`;
    const variables = name === 'Env' ? variablesOf(each) : undefined;
    if (variables !== undefined) for (const [key, text] of variables) fields.set(`${field}.${key}`, text);
    // An empty object says something by its name: `ExposedPorts: {"80/tcp": {}}`.
    else if (isObject(each) && depth < MAX_DEPTH && field.length < MAX_PATH && Object.keys(each).length > 0)
      collect(each, `${field}.`, fields, depth + 1);
    else if (each !== undefined) fields.set(field, typeof each === 'string' ? each : JSON.stringify(each));
  }
}

/** The environment of an image config, `["PATH=/bin"]`; undefined for anything else. */
function variablesOf(value: unknown): Map<string, string> | undefined {
  if (!Array.isArray(value)) return undefined;
  const variables = new Map<string, string>();
  for (const each of value as readonly unknown[]) {
    if (typeof each !== 'string') return undefined;
    const equals = each.indexOf('=');
    if (equals <= 0 || variables.size >= MAX_COLLECTED) return undefined;
    variables.set(each.slice(0, equals), each.slice(equals + 1));
  }
  return variables;
}

function compareFields(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): FieldDifference[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names
    .filter((field) => before.get(field) !== after.get(field))
    .slice(0, MAX_FIELDS)
    .map((field) => ({ field, from: cut(before.get(field)), to: cut(after.get(field)) }));
}

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE)}…`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
