import { createHash } from 'node:crypto';
import type { BlobLink, ManifestRecord } from '../../journal/state.ts';
import { type Digest, parseIncarnation } from '../../oci/names.ts';
import type { Reply } from './commands.ts';
import { MalformedView } from './malformed.ts';
import { countFrom, digestFrom, textFrom } from './replies.ts';

const LINK = /^(\d+) (\S+) (\d+)$/;
/** Characters of a malformed value in an error message. */
const MAX_SHOWN = 100;

/*
 * The encoding of facts in Redis. A blob is `<size> <inc> <since>`. A manifest is a line `<subject or -> <ref> <ref>…`, which the
 * scripts read, and a line of JSON, of which they read only its first member, the key of the artifact type.
 */

export function encodeLink({ size, inc, since }: BlobLink): string {
  return `${size} ${inc} ${since}`;
}

/** @throws MalformedView if the text was not encoded here */
export function decodeLink(text: string): BlobLink {
  const [, size, inc, since] = LINK.exec(text) ?? [];
  const incarnation = parseIncarnation(inc ?? '');
  if (incarnation === undefined) throw new MalformedView(`not a blob's link: ${text.slice(0, MAX_SHOWN)}`);
  return { size: countFrom(size), inc: incarnation, since: countFrom(since) };
}

export function encodeRecord(record: ManifestRecord): string {
  const { subject, refs, ...rest } = record;
  const { artifactType } = rest;
  const isTyped = subject !== undefined && artifactType !== undefined;
  const json = JSON.stringify(isTyped ? { typeKey: keyOfType(artifactType), ...rest } : rest);
  return `${[subject ?? '-', ...refs].join(' ')}\n${json}`;
}

/** @throws MalformedView if the text was not encoded here */
export function decodeRecord(text: string): ManifestRecord {
  const end = text.indexOf('\n');
  const [subject, ...refs] = text.slice(0, Math.max(0, end)).split(' ');
  const { size, inc, mediaType, artifactType, annotations, at } = fieldsFrom(text.slice(end + 1));
  const incarnation = parseIncarnation(textFrom(inc));
  if (incarnation === undefined) throw new MalformedView(`not an incarnation: ${JSON.stringify(inc)}`);
  return {
    size: countFrom(size),
    inc: incarnation,
    mediaType: textFrom(mediaType),
    ...(artifactType === undefined ? {} : { artifactType: textFrom(artifactType) }),
    ...(subject === '-' ? {} : { subject: digestFrom(subject) }),
    ...(annotations === undefined ? {} : { annotations: annotationsFrom(annotations) }),
    refs: refs.map(digestFrom),
    at: countFrom(at),
  };
}

function fieldsFrom(json: string): Readonly<Record<string, Reply | undefined>> & { readonly annotations?: unknown } {
  try {
    const fields: unknown = JSON.parse(json);
    if (typeof fields === 'object' && fields !== null) return { ...fields };
  } catch {
    // Reported below, like any other malformed text.
  }
  throw new MalformedView(`not a manifest's record: ${json.slice(0, MAX_SHOWN)}`);
}

function annotationsFrom(value: unknown): Readonly<Record<string, string>> {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isRecord || !Object.values(value).every((each) => typeof each === 'string')) {
    throw new MalformedView('the annotations of a manifest are not strings');
  }
  return { ...value };
}

/** The prefix of zset members that are a subject's referrers, or those of one artifact type. */
export function listOf(subject: Digest, artifactType: string | undefined): string {
  return artifactType === undefined ? subject : `${subject}/${keyOfType(artifactType)}`;
}

/** The lists that a manifest is in. */
export function listsOf({ subject, artifactType }: ManifestRecord): readonly string[] {
  if (subject === undefined) return [];
  return artifactType === undefined ? [subject] : [subject, listOf(subject, artifactType)];
}

/** Short and without spaces, whatever the type is; a hash, so that no two types share one. */
function keyOfType(artifactType: string): string {
  return createHash('sha256').update(artifactType).digest('base64url');
}
