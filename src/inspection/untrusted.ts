import { type Fields, isFields } from '../oci/fields.ts';

/*
 * Readers of JSON that strangers wrote. What has another type than expected counts as absent, and everything that is returned is
 * bounded. A schema library would need several microseconds for each value, and far more for each wrong one, while a bill of
 * materials has tens of thousands.
 */

/** Characters of one text that is shown. */
export const MAX_TEXT = 4_096;
/** Texts of one list, and members of one object. */
const MAX_TEXTS = 200;

const NOTHING: Fields = {};

/** An object without fields for anything that is not an object. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : NOTHING;
}

/** An empty list for anything that is not a list. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** @returns undefined for anything that is not a text, and for an empty one; a longer text is cut and ends with … */
export function textOf(value: unknown, max: number = MAX_TEXT): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return value.length <= max ? value : `${cutAt(value, max)}…`;
}

/** The texts of a list. */
export function textsOf(value: unknown, max: number = MAX_TEXTS): string[] {
  return itemsOf(value)
    .slice(0, max)
    .flatMap((each) => textOf(each) ?? []);
}

/** The names of an object, such as the ports of an image: `{"80/tcp":{}}`. */
export function namesOf(value: unknown): string[] {
  return Object.keys(fieldsOf(value))
    .slice(0, MAX_TEXTS)
    .flatMap((each) => textOf(each) ?? []);
}

/** The members of an object that are texts. */
export function textRecordOf(value: unknown): Readonly<Record<string, string>> {
  const found: [string, string][] = [];
  for (const [name, each] of Object.entries(fieldsOf(value))) {
    if (found.length === MAX_TEXTS) break;
    const text = typeof each === 'string' ? (textOf(each) ?? '') : undefined;
    if (text !== undefined) found.push([textOf(name) ?? '', text]);
  }
  return Object.fromEntries(found);
}

/** @returns undefined for anything that is not a whole number, 0 or more */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** A whole number that some formats write as a text: `"12"`. */
export function writtenCountOf(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : countOf(value);
}

/** A time in ISO 8601, or a number of seconds, as ISO 8601 in UTC. */
export function timeOf(value: unknown): string | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined;
  const date = new Date(typeof value === 'number' ? value * 1_000 : value);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** Does not split a surrogate pair. */
export function cutAt(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? length - 1 : length);
}
