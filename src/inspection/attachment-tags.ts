import { parseDigest } from '../oci/digest.ts';
import { type Digest, parseTag, type Tag } from '../oci/names.ts';

/** What clients attach by tags: cosign with an ending, others the whole list of referrers under a tag without one. */
const ENDINGS = ['sig', 'att', 'sbom', ''] as const;

const ATTACHING = /^(?<algorithm>sha256|sha512)-(?<hex>[a-f0-9]{64,128})(?:\.(?<ending>sig|att|sbom))?$/;

/** The manifest to which something is attached by the name of its tag, such as `sha256-….sig`; undefined for other tags. Pure. */
export function attachedTo(tag: string): { readonly subject: Digest; readonly ending: string } | undefined {
  const { algorithm, hex, ending = '' } = ATTACHING.exec(tag)?.groups ?? {};
  const subject = parseDigest(`${algorithm}:${hex}`);
  return subject === undefined ? undefined : { subject, ending };
}

/** The tags by which something may be attached to the manifest; the inverse of `attachedTo`. */
export function attachingTags(subject: Digest): Tag[] {
  const stem = subject.replace(':', '-');
  // A tag has at most 128 characters, which the digest of another algorithm may exceed.
  return ENDINGS.flatMap((ending) => parseTag(ending === '' ? stem : `${stem}.${ending}`) ?? []);
}
