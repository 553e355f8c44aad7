import { parseDigest } from '../../oci/digest.ts';
import { type Digest, parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../../oci/names.ts';
import type { Reply } from './commands.ts';
import { MalformedView } from './malformed.ts';

/*
 * Parsers of the scripts' replies. They validate, because names become object keys, and tags and digests become events of the log.
 * Each throws MalformedView for anything else.
 */

export function listFrom(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : malformed('a list', reply);
}

export function textFrom(reply: Reply | undefined): string {
  return typeof reply === 'string' ? reply : malformed('a text', reply);
}

export function digestFrom(reply: Reply | undefined): Digest {
  return (typeof reply === 'string' ? parseDigest(reply) : undefined) ?? malformed('a digest', reply);
}

export function tagFrom(reply: Reply | undefined): Tag {
  return (typeof reply === 'string' ? parseTag(reply) : undefined) ?? malformed('a tag', reply);
}

export function repositoryFrom(reply: Reply | undefined): RepositoryName {
  return (typeof reply === 'string' ? parseRepositoryName(reply) : undefined) ?? malformed('a repository', reply);
}

/** A slot, a count or a time: a non-negative integer, which Redis may return as text. */
export function countFrom(reply: Reply | undefined): number {
  const value = typeof reply === 'string' && /^\d{1,16}$/.test(reply) ? Number(reply) : reply;
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : malformed('a number', reply);
}

const HASH = /^sha256:[0-9a-f]{64}$/;

export function hashFrom(reply: Reply | undefined): string {
  return typeof reply === 'string' && HASH.test(reply) ? reply : malformed('the hash of a slot', reply);
}

const MAX_SHOWN = 100;

function malformed(expected: string, found: unknown): never {
  throw new MalformedView(`Redis has ${JSON.stringify(found)?.slice(0, MAX_SHOWN)} instead of ${expected}`);
}
