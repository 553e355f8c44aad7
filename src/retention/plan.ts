import type { RepositoryState } from '../journal/fold.ts';
import { unreachable } from '../oci/errors.ts';
import type { Digest, Incarnation, Tag } from '../oci/names.ts';
import type { Matches } from './matches.ts';
import type { Keep, Rule } from './policy.ts';

/** A tag that nothing keeps. */
export interface TagRemoval {
  readonly kind: 'tag';
  readonly tag: Tag;
  readonly digest: Digest;
  /** When it was pushed last, in milliseconds. */
  readonly pushedAt: number;
  /** When it was pulled last, or may have been; undefined where no pull keeps it. */
  readonly pulledAt?: number;
}

/** A manifest that has been without tags for long enough, and that nothing which stays needs. */
export interface ManifestRemoval {
  readonly kind: 'manifest';
  readonly digest: Digest;
  readonly inc: Incarnation;
  /** Since when it has had no tag, in milliseconds. */
  readonly since: number;
  /** Of the manifest, and of the blobs that only it and those before it in the plan refer to. */
  readonly bytes: number;
}

export type Removal = TagRemoval | ManifestRemoval;

/**
 * When a tag was pulled last, by its name or by the digest that it points to, in milliseconds. Where that is not known it is the
 * latest time at which it may have been.
 */
export type PulledAt = (tag: Tag, digest: Digest) => number;

export interface PlanTimes {
  /** Milliseconds. */
  readonly now: number;
  readonly pulledAt: PulledAt;
}

/**
 * What a rule lets go of a repository as it is: tags first, then manifests, each of them after those that would keep it alive. So
 * wherever it is broken off, nothing is left whose parts are gone.
 */
export function planFor(state: RepositoryState, rule: Rule, matches: Matches, times: PlanTimes): Removal[] {
  const tags = rule.keep === undefined ? [] : tagsThatGo(state, rule.keep, matches, times);
  const manifests = rule.deleteUntagged === undefined ? [] : manifestsThatGo(state, times.now - rule.deleteUntagged);
  return [...tags, ...manifests];
}

function tagsThatGo(
  state: RepositoryState,
  keep: readonly Keep[],
  matches: Matches,
  { now, pulledAt }: PlanTimes,
): TagRemoval[] {
  const pushedAt = (tag: Tag): number => state.tagTimes.get(tag) ?? now;
  const tests = keep.map(({ which }, entry): ((tag: Tag, digest: Digest) => boolean) => {
    switch (which.kind) {
      case 'all':
        return () => true;
      case 'newest': {
        const named = [...state.tags.keys()].filter((tag) => matches.isNamed(tag, entry));
        const times = named.map(pushedAt).sort((one, other) => other - one);
        // Of several that were pushed at the same moment none is newer.
        const least = times[which.count - 1] ?? Number.NEGATIVE_INFINITY;
        return (tag) => pushedAt(tag) >= least;
      }
      case 'pushed-within':
        return (tag) => pushedAt(tag) >= now - which.duration;
      case 'pulled-within':
        return (tag, digest) => Math.max(pushedAt(tag), pulledAt(tag, digest)) >= now - which.duration;
      default:
        return unreachable(which);
    }
  });
  const pullsMatter = keep.some(({ which }) => which.kind === 'pulled-within');
  const removals: TagRemoval[] = [];
  for (const [tag, digest] of state.tags) {
    if (tests.some((test, entry) => matches.isNamed(tag, entry) && test(tag, digest))) continue;
    if (matches.isImmutable(tag)) continue;
    const pulled = pullsMatter ? { pulledAt: pulledAt(tag, digest) } : {};
    removals.push({ kind: 'tag', tag, digest, pushedAt: pushedAt(tag), ...pulled });
  }
  return removals;
}

/** @param before manifests that have had no tag since then, in milliseconds; a tag that goes now leaves its manifest for as long */
function manifestsThatGo(state: RepositoryState, before: number): ManifestRemoval[] {
  const live = new Set<Digest>();
  const found: Digest[] = [...state.tags.values()];
  for (const digest of state.manifests.keys()) if ((state.looseSince(digest) ?? before) >= before) found.push(digest);
  for (let digest = found.pop(); digest !== undefined; digest = found.pop()) {
    if (live.has(digest) || !state.manifests.has(digest)) continue;
    live.add(digest);
    found.push(...keptAliveBy(state, digest));
  }
  const dead = [...state.manifests.keys()].filter((digest) => !live.has(digest));
  return withBytes(state, keepersFirst(state, dead));
}

/** What stays as long as this manifest does: the parts of an index, and its referrers. */
function keptAliveBy(state: RepositoryState, digest: Digest): readonly Digest[] {
  const parts = state.manifest(digest)?.refs.filter((ref) => state.manifests.has(ref)) ?? [];
  return [...parts, ...(state.referrers.get(digest) ?? [])];
}

function keepersFirst(state: RepositoryState, dead: readonly Digest[]): Digest[] {
  const keepers = new Map(dead.map((digest) => [digest, 0]));
  for (const digest of dead) {
    for (const kept of keptAliveBy(state, digest)) {
      const count = keepers.get(kept);
      // What stays is kept by others, too.
      if (count !== undefined) keepers.set(kept, count + 1);
    }
  }
  const ready = dead.filter((digest) => keepers.get(digest) === 0);
  const ordered = new Set<Digest>();
  for (let digest = ready.pop(); digest !== undefined; digest = ready.pop()) {
    ordered.add(digest);
    for (const kept of keptAliveBy(state, digest)) {
      const left = (keepers.get(kept) ?? 0) - 1;
      if (left < 0) continue;
      keepers.set(kept, left);
      if (left === 0) ready.push(kept);
    }
  }
  // Some that keep each other, as an index does whose subject is a part of it: they have no order.
  return [...ordered, ...dead.filter((digest) => !ordered.has(digest))];
}

function withBytes(state: RepositoryState, digests: readonly Digest[]): ManifestRemoval[] {
  const gone = new Map<Digest, number>();
  return digests.flatMap((digest): ManifestRemoval[] => {
    const record = state.manifest(digest);
    if (record === undefined) return [];
    let bytes = record.size;
    for (const ref of record.refs) {
      const count = (gone.get(ref) ?? 0) + 1;
      gone.set(ref, count);
      if (count === state.references(ref)) bytes += state.blob(ref)?.size ?? 0;
    }
    return [{ kind: 'manifest', digest, inc: record.inc, since: state.looseSince(digest) ?? record.at, bytes }];
  });
}
