import { createHash } from 'node:crypto';
import type { BlobLink, ManifestRecord } from '../../journal/state.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';

/*
 * How facts are kept in Redis. A blob is `<size> <inc> <since>`. A manifest is a line `<subject or -> <ref> <ref>…`, which the
 * scripts read, and after it one of JSON, of which they read the key of the artifact type alone: it comes first.
 */

export function encodeLink({ size, inc, since }: BlobLink): string {
  return `${size} ${inc} ${since}`;
}

export function decodeLink(text: string): BlobLink {
  const [size, inc, since] = text.split(' ');
  if (size === undefined || inc === undefined || since === undefined) throw new Error(`not a blob's link: ${text}`);
  return { size: Number(size), inc: inc as Incarnation, since: Number(since) };
}

export function encodeRecord(record: ManifestRecord): string {
  const { subject, refs, ...rest } = record;
  const { artifactType } = rest;
  const isTyped = subject !== undefined && artifactType !== undefined;
  const json = JSON.stringify(isTyped ? { typeKey: keyOfType(artifactType), ...rest } : rest);
  return `${[subject ?? '-', ...refs].join(' ')}\n${json}`;
}

/** What was encoded: only the projection's own scripts write it, so its shape is believed. */
export function decodeRecord(text: string): ManifestRecord {
  const end = text.indexOf('\n');
  const [subject, ...refs] = text.slice(0, end).split(' ') as Digest[];
  const { typeKey: _, ...rest } = JSON.parse(text.slice(end + 1)) as Omit<ManifestRecord, 'subject' | 'refs'> & {
    readonly typeKey?: string;
  };
  return { ...rest, ...(subject === undefined || subject === '-' ? {} : { subject }), refs };
}

/** The list of a subject's referrers, or of those of one artifact type: what members of the zset begin with. */
export function listOf(subject: Digest, artifactType: string | undefined): string {
  return artifactType === undefined ? subject : `${subject}/${keyOfType(artifactType)}`;
}

/** The lists that a manifest is in. */
export function listsOf({ subject, artifactType }: ManifestRecord): readonly string[] {
  if (subject === undefined) return [];
  return artifactType === undefined ? [subject] : [subject, listOf(subject, artifactType)];
}

/** Short and without a blank, whatever the type is; two types never share one. */
function keyOfType(artifactType: string): string {
  return createHash('sha256').update(artifactType).digest('base64url');
}
