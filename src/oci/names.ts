declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A `<name>` as the spec defines it, at most 255 characters. */
export type RepositoryName = Branded<string, 'RepositoryName'>;
/** A tag as the spec defines it, at most 128 characters. */
export type Tag = Branded<string, 'Tag'>;
/** `algorithm:hex`, with an algorithm that this registry can compute. */
export type Digest = Branded<string, 'Digest'>;
/** The unique, never reused name (a ULID) of one physical object. */
export type Incarnation = Branded<string, 'Incarnation'>;
/** The UUID of an upload session. */
export type UploadId = Branded<string, 'UploadId'>;

// "`<name>` MUST match the following regular expression" (spec, Pulling manifests).
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
// "`<tag-or-digest>` as a tag MUST be at most 128 characters in length and MUST match the following regular expression".
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The longest name: a name is also one file name under catalog/, and file systems allow 255 bytes there. */
const MAX_NAME_LENGTH = 255;

export function parseRepositoryName(text: string): RepositoryName | undefined {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text) ? (text as RepositoryName) : undefined;
}

export function parseTag(text: string): Tag | undefined {
  return TAG.test(text) ? (text as Tag) : undefined;
}

export function parseIncarnation(text: string): Incarnation | undefined {
  return ULID.test(text) ? (text as Incarnation) : undefined;
}

export function parseUploadId(text: string): UploadId | undefined {
  return UUID.test(text) ? (text as UploadId) : undefined;
}
