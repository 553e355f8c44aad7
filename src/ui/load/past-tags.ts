import type { Caller } from '../../access/access.ts';
import { attachedTo, attachingTags } from '../../inspection/attachment-tags.ts';
import type { Badges, Inspection, ManifestSummary } from '../../inspection/interface.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import { versionKey } from '../../overview/version-key.ts';
import type { RepositoryContents } from '../../past/interface.ts';
import type { PastPlace } from '../addresses.ts';
import { kindOfType } from '../models/content-kind.ts';
import { firstOf } from '../models/first-of.ts';
import type { TagOrder } from '../models/tag-order.ts';
import type { Sources } from './sources.ts';

export interface TagEntry {
  readonly tag: Tag;
  readonly digest: Digest;
  /** When it was last set, in milliseconds since 1970. */
  readonly set: number;
}

export interface TagPage {
  readonly tags: readonly TagEntry[];
  /** Tags that match, without those that only attach something. */
  readonly count: number;
  readonly folded: number;
  readonly newest: TagEntry | undefined;
}

/** A page of the tags that a repository had, in one pass over all of them. Pure. @param after how many tags come before the page */
export function tagsOf(
  contents: RepositoryContents,
  {
    sort,
    q,
    after,
    limit,
  }: { readonly sort: TagOrder; readonly q: string; readonly after: number; readonly limit: number },
): TagPage {
  const wanted = q.toLowerCase();
  let [count, folded] = [0, 0];
  let newest: TagEntry | undefined;
  function* matching(): Generator<TagEntry> {
    for (const entry of contents.tags()) {
      const attached = attachedTo(entry.tag);
      if (attached !== undefined && contents.pushed(attached.subject) !== undefined) {
        folded++;
        continue;
      }
      if (newest === undefined || byTime(entry, newest) < 0) newest = entry;
      if (!entry.tag.toLowerCase().includes(wanted)) continue;
      count++;
      yield entry;
    }
  }
  const tags = firstOf(matching(), after + limit, ORDERS[sort]).slice(after);
  return { tags, count, folded, newest };
}

const byName = (one: TagEntry, other: TagEntry): number => {
  if (one.tag < other.tag) return -1;
  return one.tag > other.tag ? 1 : 0;
};
const byTime = (one: TagEntry, other: TagEntry): number => other.set - one.set || -byName(one, other);

/** As the overview orders the tags of today. */
const ORDERS: Readonly<Record<TagOrder, (one: TagEntry, other: TagEntry) => number>> = {
  time: byTime,
  name: byName,
  semver: (one, other) => {
    const [key, otherKey] = [versionKey(one.tag), versionKey(other.tag)];
    if (key === otherKey) return byTime(one, other);
    if (key === undefined || otherKey === undefined) return key === undefined ? 1 : -1;
    return key < otherKey ? 1 : -1;
  },
};

/** Referrers that are looked at for badges. */
const MAX_REFERRERS = 50;

/** What was attached to a manifest, by referrers and by tags such as `sha256-….sig`. Pure. */
export function badgesOf(digest: Digest, contents: RepositoryContents): Badges {
  const kinds = new Set<string>(
    contents
      .referrers(digest, MAX_REFERRERS)
      .map(({ artifactType, mediaType }) => kindOfType(artifactType ?? mediaType)),
  );
  for (const tag of attachingTags(digest)) {
    if (contents.tag(tag) !== undefined) kinds.add(ENDINGS[attachedTo(tag)?.ending ?? ''] ?? '');
  }
  return { signed: kinds.has('signature'), sbom: kinds.has('sbom'), attested: kinds.has('attestation') };
}

const ENDINGS: Readonly<Record<string, string>> = { sig: 'signature', sbom: 'sbom', att: 'attestation' };

/** What a page shows of a manifest besides its tag. */
export type PastSummary = Pick<ManifestSummary, 'kind' | 'platforms' | 'total' | 'isAttested'>;

/** Manifests that are read at once, and milliseconds after which no more are read: the page goes without the rest. */
const AT_ONCE = 8;
const READ_MS = 40;

/**
 * What the manifests are: from the index if the repository has them today, and else from their bytes. Those whose bytes were freed are
 * left out.
 */
export async function summariesOf(
  { repo }: PastPlace,
  name: RepositoryName,
  digests: readonly Digest[],
  caller: Caller,
  { inspection, overview }: Pick<Sources, 'inspection' | 'overview'>,
): Promise<ReadonlyMap<Digest, PastSummary>> {
  const all = [...new Set(digests)];
  const found = new Map<Digest, PastSummary>(await overview.manifests(repo, all, caller));
  const others = all.filter((digest) => !found.has(digest));
  const until = performance.now() + READ_MS;
  for (let at = 0; at < others.length && performance.now() < until; at += AT_ONCE) {
    const some = others.slice(at, at + AT_ONCE).map(async (digest) => {
      const summary = await summaryOf(name, digest, caller, inspection);
      if (summary !== undefined) found.set(digest, summary);
    });
    await Promise.all(some);
  }
  return found;
}

async function summaryOf(
  name: RepositoryName,
  digest: Digest,
  caller: Caller,
  inspection: Inspection,
): Promise<ManifestSummary | undefined> {
  try {
    return await inspection.summary(name, { kind: 'digest', digest }, caller);
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'manifest-unknown') return undefined;
    throw error;
  }
}
