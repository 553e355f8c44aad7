import type { BlobLink, ManifestRecord } from '../../journal/state.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';

/*
 * How facts are kept in Redis. A blob is `<size> <inc> <since>`. A manifest is a line `<subject or -> <ref> <ref>…`, which the
 * scripts read, and after it one of JSON, which they do not.
 */

export function encodeLink({ size, inc, since }: BlobLink): string {
  return `${size} ${inc} ${since}`;
}

export function decodeLink(text: string): BlobLink {
  const [size, inc, since] = text.split(' ');
  if (size === undefined || inc === undefined || since === undefined) throw new Error(`not a blob's link: ${text}`);
  return { size: Number(size), inc: inc as Incarnation, since: Number(since) };
}

export function encodeRecord({ subject, refs, ...rest }: ManifestRecord): string {
  return `${[subject ?? '-', ...refs].join(' ')}\n${JSON.stringify(rest)}`;
}

/** What was encoded: only the projection's own scripts write it, so its shape is believed. */
export function decodeRecord(text: string): ManifestRecord {
  const end = text.indexOf('\n');
  const [subject, ...refs] = text.slice(0, end).split(' ') as Digest[];
  const rest = JSON.parse(text.slice(end + 1)) as Omit<ManifestRecord, 'subject' | 'refs'>;
  return { ...rest, ...(subject === undefined || subject === '-' ? {} : { subject }), refs };
}
