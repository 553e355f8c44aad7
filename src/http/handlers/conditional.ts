import type { Digest } from '../../oci/names.ts';
import { respond } from '../response.ts';

/** Whether the client already has a version and asks whether it is current. */
export function isConditional(request: Request): boolean {
  return request.headers.has('if-none-match');
}

/** RFC 9110, section 13.1.2: `If-None-Match` lists entity tags, or is `*`. Marina's entity tags are the digests. */
export function isNotModified(request: Request, digest: Digest): boolean {
  const header = request.headers.get('if-none-match');
  if (header === null) return false;
  if (header.trim() === '*') return true;
  // "A recipient MUST use the weak comparison function", which ignores a W/ prefix.
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${digest}"`);
}

/**
 * RFC 9110, section 13.1.5: "A recipient of an If-Range header field MUST ignore the Range header field if the If-Range condition
 * evaluates as false." Only the strong entity tag, which is the digest, makes it true, because blobs have no date.
 */
export function requestedRange(request: Request, digest: Digest): string | null {
  const condition = request.headers.get('if-range');
  return condition === null || condition.trim() === `"${digest}"` ? request.headers.get('range') : null;
}

/**
 * @param caching the same headers as a 200 would have: "The server generating a 304 … MUST generate … Cache-Control" (RFC 9110,
 * section 15.4.5)
 */
export function notModified(digest: Digest, caching: Readonly<Record<string, string>>): Response {
  const headers = { ETag: `"${digest}"`, 'Docker-Content-Digest': digest, ...caching };
  return respond(null, { status: 304, headers });
}
