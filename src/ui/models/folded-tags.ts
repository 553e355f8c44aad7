import { parseDigest } from '../../oci/digest.ts';
import { type Digest, parseTag, type Tag } from '../../oci/names.ts';

/*
 * Tags that stand for a manifest rather than a version: `sha256-<hex>` of clients that know no referrers, and cosign's with `.sig`,
 * `.att` and `.sbom`. Pages show them with the manifest that they belong to.
 */

const FOLDED = /^(sha256|sha512)-([0-9a-f]{64}|[0-9a-f]{128})(\.(?:sig|att|sbom|cosign))?$/;

export function isFoldedTag(tag: Tag): boolean {
  return subjectOfTag(tag) !== undefined;
}

/** The manifest that such a tag belongs to; undefined for any other tag. */
export function subjectOfTag(tag: Tag): Digest | undefined {
  const [whole, algorithm, hex] = FOLDED.exec(tag) ?? [];
  return whole === undefined ? undefined : parseDigest(`${algorithm}:${hex}`);
}

/** The tags that cosign gives to what it attaches to a manifest; undefined where the digest is too long for one. */
export function attachedTags(digest: Digest): Readonly<Record<'signature' | 'attestation' | 'sbom', Tag | undefined>> {
  const base = digest.replace(':', '-');
  return {
    signature: parseTag(`${base}.sig`),
    attestation: parseTag(`${base}.att`),
    sbom: parseTag(`${base}.sbom`),
  };
}
