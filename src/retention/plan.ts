import type { RepositoryState } from '../journal/fold.ts';
import { unreachable } from '../oci/errors.ts';
import type { Digest, Incarnation, Tag } from '../oci/names.ts';
import type { Matches } from './matches.ts';
import type { Keep, Rule } from './policy.ts';

/** A tag that no entry of `keep` keeps. */
export interface TagRemoval {
  readonly kind: 'tag';
  readonly tag: Tag;
  readonly digest: Digest;
  /** When it was last pushed, in milliseconds. */
  readonly pushedAt: number;
  /** The latest time at which it may have been pulled; undefined when pulls do not matter. */
  readonly pulledAt?: number;
}

/** A manifest that has been untagged for long enough, and that no kept manifest needs. */
export interface ManifestRemoval {
  readonly kind: 'manifest';
  readonly digest: Digest;
  readonly inc: Incarnation;
  /** Since when it has been untagged, in milliseconds. */
  readonly since: number;
  /** Bytes of the manifest, and of the blobs that only this and earlier manifests of the plan refer to. */
  readonly bytes: number;
}

export type Removal = TagRemoval | ManifestRemoval;

/**
 * When a tag was last pulled, by name or by the digest it points to, in milliseconds. If unknown: the latest possible time.
 */
export type PulledAt = (tag: Tag, digest: Digest) => number;

export interface PlanTimes {
  /** Milliseconds. */
  readonly now: number;
  readonly pulledAt: PulledAt;
}

/**
 * Plans what a rule deletes from a repository: tags first, then manifests, each after the manifests that keep it alive. So an
 * interrupted run leaves no manifest whose parts are gone.
 */
export function planFor(state: RepositoryState, rule: Rule, matches: Matches, times: PlanTimes): Removal[] {
  const tags = rule.keep === undefined ? [] : tagsToDelete(state, rule.keep, matches, times);
  const manifests = rule.deleteUntagged === undefined ? [] : manifestsToDelete(state, times.now - rule.deleteUntagged);
  return [...tags, ...manifests];
}

function tagsToDelete(
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
        // Tags that were pushed at the same moment count as equally new.
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

/** @param before manifests untagged since before this time (milliseconds) are deleted; a tag deleted by this plan restarts that time */
function manifestsToDelete(state: RepositoryState, before: number): ManifestRemoval[] {
  const live = new Set<Digest>();
  const found: Digest[] = [...state.tags.values()];
  for (const digest of state.manifests.keys())
    if ((state.untaggedSince(digest) ?? before) >= before) found.push(digest);
  for (let digest = found.pop(); digest !== undefined; digest = found.pop()) {
    if (live.has(digest) || !state.manifests.has(digest)) continue;
    live.add(digest);
    found.push(...keptAliveBy(state, digest));
  }
  const dead = [...state.manifests.keys()].filter((digest) => !live.has(digest));
  return withBytes(state, keepersFirst(state, dead));
}

/** The manifests that a manifest keeps alive: the parts of an index, and its referrers. */
export function keptAliveBy(state: RepositoryState, digest: Digest): readonly Digest[] {
  const parts = state.manifest(digest)?.refs.filter((ref) => state.manifests.has(ref)) ?? [];
  return [...parts, ...(state.referrers.get(digest) ?? [])];
}

function keepersFirst(state: RepositoryState, dead: readonly Digest[]): Digest[] {
  const keepers = new Map(dead.map((digest) => [digest, 0]));
  for (const digest of dead) {
    for (const kept of keptAliveBy(state, digest)) {
      const count = keepers.get(kept);
      // Manifests that stay are not counted.
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
  // Manifests may keep each other alive, such as an index whose subject is one of its parts. Those have no order.
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
    return [{ kind: 'manifest', digest, inc: record.inc, since: state.untaggedSince(digest) ?? record.at, bytes }];
  });
}
