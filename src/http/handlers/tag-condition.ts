import { parseDigest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest } from '../../oci/names.ts';
import type { Reference, TagCondition } from '../../registry/interface.ts';

const IS_LISTED =
  'If-Match takes * or digests of manifests as strong entity tags, such as "sha256:…", separated by commas';

/**
 * What a PUT or DELETE of a tag expects it to be (RFC 9110, section 13.1): `If-Match` with digests or `*`, or, for PUT,
 * `If-None-Match: *`. Every other form is refused: a condition that a client sends must never be ignored.
 * @throws RegistryError `request-invalid`
 */
export function tagCondition(
  { method, headers }: Pick<Request, 'method' | 'headers'>,
  reference: Reference,
): TagCondition | undefined {
  const match = headers.get('if-match');
  const noneMatch = headers.get('if-none-match');
  if (headers.has('if-unmodified-since')) throw invalid('writes take If-Match with a digest, not If-Unmodified-Since');
  if (match === null && noneMatch === null) return undefined;
  if (reference.kind === 'digest') throw invalid('conditions are only possible for a tag, not for a digest');
  if (match !== null && noneMatch !== null) throw invalid('send either If-Match or If-None-Match');
  if (noneMatch !== null) {
    if (method === 'DELETE') throw invalid('DELETE takes If-Match, not If-None-Match');
    if (noneMatch.trim() !== '*') throw invalid('If-None-Match takes only *, which means that the tag must not exist');
    return { kind: 'absent' };
  }
  return match === null || match.trim() === '*' ? { kind: 'exists' } : { kind: 'is', digests: listedDigests(match) };
}

/**
 * "An origin server MUST use the strong comparison function", in which a weak tag equals nothing. No digest has a comma, so a part of
 * another entity tag is refused as well. "A recipient MUST parse and ignore a reasonable number of empty list elements" (section 5.6.1).
 */
function listedDigests(list: string): Digest[] {
  const elements = list.split(',').map((element) => element.trim());
  const digests = elements.filter((element) => element !== '').map(digestIn);
  if (digests.length === 0) throw invalid(IS_LISTED);
  return digests;
}

function digestIn(element: string): Digest {
  const isQuoted = element.length > 2 && element.startsWith('"') && element.endsWith('"');
  const digest = isQuoted ? parseDigest(element.slice(1, -1)) : undefined;
  if (digest === undefined) throw invalid(IS_LISTED);
  return digest;
}

function invalid(message: string): RegistryError {
  return new RegistryError('request-invalid', message);
}
