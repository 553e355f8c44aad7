import { parseDigest } from './digest.ts';
import { RegistryError } from './errors.ts';
import type { Digest } from './names.ts';

/*
 * Hand-written checks of a manifest's fields: a schema library needs 5 us for each descriptor, and a hostile manifest has
 * thousands of them. Each check throws `manifest-invalid` with the path of the first wrong field.
 */

/** An object of parsed JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a descriptor that a registry needs. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Whether the content can be fetched from elsewhere. */
  readonly hasUrls: boolean;
}

/** In characters: a problem may quote what the client sent. */
const MAX_PROBLEM = 300;

export function invalidManifest(problem: string): RegistryError {
  return new RegistryError('manifest-invalid', `the manifest is invalid: ${problem.slice(0, MAX_PROBLEM)}`);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function optionalText(value: unknown, path: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw invalidManifest(`${path}: is not a string`);
}

export function optionalAnnotations(value: unknown, path: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || isAnnotations(value)) return value;
  const wrong = isFields(value) ? Object.keys(value).find((key) => typeof value[key] !== 'string') : undefined;
  if (wrong === undefined) throw invalidManifest(`${path}: is not an object`);
  throw invalidManifest(`${path}.${wrong}: is not a string`);
}

function isAnnotations(value: unknown): value is Readonly<Record<string, string>> {
  return isFields(value) && Object.values(value).every((each) => typeof each === 'string');
}

export function descriptors(value: unknown, path: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalidManifest(`${path}: is not an array of descriptors`);
  return value.map((each, index) => descriptor(each, `${path}.${index}`));
}

export function descriptor(value: unknown, path: string): Descriptor {
  if (!isFields(value)) throw invalidManifest(`${path}: is not a descriptor`);
  const { mediaType, digest, size, urls } = value;
  if (typeof mediaType !== 'string') throw invalidManifest(`${path}.mediaType: is not a string`);
  const parsed = typeof digest === 'string' ? parseDigest(digest) : undefined;
  if (parsed === undefined) throw invalidManifest(`${path}.digest: is not a sha256 or sha512 digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalidManifest(`${path}.size: is not a number of bytes`);
  }
  if (urls !== undefined && !(Array.isArray(urls) && urls.every((each) => typeof each === 'string'))) {
    throw invalidManifest(`${path}.urls: is not an array of strings`);
  }
  return { mediaType, digest: parsed, hasUrls: urls !== undefined && urls.length > 0 };
}
