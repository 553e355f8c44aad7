import type { Caller } from '../access/access.ts';
import { parseDigest } from '../oci/digest.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Descriptor, Registry } from '../registry/interface.ts';
import { attachingTags } from './attachment-tags.ts';
import { ifPresent } from './contents.ts';
import { type ManifestParts, type Part, partsOf } from './image.ts';
import type { AttachedVia } from './interface.ts';
import { parsePartialJson } from './partial-json.ts';

/** What is attached to a manifest, before it is read. */
export interface Attachment {
  readonly digest: Digest;
  readonly subject: string;
  readonly via: AttachedVia;
  readonly tag?: string;
}

/** How many things are looked at, and how far from the manifest. */
const MAX_ATTACHED = 200;
const MAX_DEPTH = 4;

/** The annotations by which build tools mark an attestation in an index, and what it attests. */
const BUILD_TYPE = 'vnd.docker.reference.type';
const BUILD_SUBJECT = 'vnd.docker.reference.digest';

/** Whether a manifest in an index is an attestation of another one in it. */
export function isBuildAttestation({ annotations }: Part): boolean {
  return annotations[BUILD_TYPE] === 'attestation-manifest';
}

export type AttachmentSource = Pick<Registry, 'getManifest' | 'referrers'>;

/**
 * Everything that is attached to a manifest: by its subject, by a tag that says so, or in the same index. Each follows its subject.
 * @returns `more`: whether something was left out
 */
export async function attachmentsOf(
  source: AttachmentSource,
  repo: RepositoryName,
  root: { readonly digest: Digest; readonly parts: ManifestParts },
  caller: Caller,
): Promise<{ readonly attached: readonly Attachment[]; readonly more: boolean }> {
  const seen = new Set<string>([root.digest]);
  const attached: Attachment[] = [];
  let more = false;
  const visit = async (subject: Digest, direct: readonly Attachment[], depth: number): Promise<void> => {
    const page = await referrersOf(source, repo, subject, MAX_ATTACHED - attached.length, caller);
    more ||= page.more;
    const bySubject = page.items.map(({ digest }): Attachment => ({ digest, subject, via: 'subject' }));
    for (const each of [...bySubject, ...direct]) {
      if (seen.has(each.digest)) continue;
      if (attached.length === MAX_ATTACHED || depth === MAX_DEPTH) {
        more = true;
        return;
      }
      seen.add(each.digest);
      attached.push(each);
      await visit(each.digest, [], depth + 1);
    }
  };
  const direct = [...inIndex(root.parts), ...(await byTag(source, repo, root.digest, caller))];
  await visit(root.digest, direct, 0);
  return { attached, more };
}

async function referrersOf(
  source: AttachmentSource,
  repo: RepositoryName,
  subject: Digest,
  limit: number,
  caller: Caller,
): Promise<{ readonly items: readonly Descriptor[]; readonly more: boolean }> {
  let count = 0;
  const fits = (): boolean => ++count <= limit;
  return await source.referrers(repo, subject, { artifactType: undefined, after: undefined, fits }, caller);
}

function inIndex({ manifests }: ManifestParts): Attachment[] {
  return manifests.filter(isBuildAttestation).flatMap(({ digest, annotations }) => {
    const parsed = parseDigest(digest);
    const subject = parseDigest(annotations[BUILD_SUBJECT] ?? '');
    return parsed === undefined || subject === undefined ? [] : [{ digest: parsed, subject, via: 'index' }];
  });
}

async function byTag(
  source: AttachmentSource,
  repo: RepositoryName,
  subject: Digest,
  caller: Caller,
): Promise<Attachment[]> {
  const found = await Promise.all(
    attachingTags(subject).map(async (tag): Promise<Attachment[]> => {
      const manifest = await ifPresent(async () => await source.getManifest(repo, { kind: 'tag', tag }, caller));
      if (manifest === undefined) return [];
      const { digest } = manifest.descriptor;
      if (tag.includes('.')) return [{ digest, subject, via: 'tag', tag }];
      // The tag schema for referrers: an index of them, kept by clients of registries without referrers.
      const { manifests } = partsOf(parsePartialJson(manifest.bytes, false)?.value);
      return manifests.flatMap((each) => {
        const listed = parseDigest(each.digest);
        return listed === undefined ? [] : [{ digest: listed, subject, via: 'tag', tag }];
      });
    }),
  );
  return found.flat();
}
