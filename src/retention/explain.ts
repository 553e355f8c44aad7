import type { RepositoryState } from '../journal/fold.ts';
import { unreachable } from '../oci/errors.ts';
import type { Digest, Tag } from '../oci/names.ts';
import type { Matches } from './matches.ts';
import { type PlanTimes, planFor } from './plan.ts';
import type { Keep, Rule } from './policy.ts';

/** An entry of `keep` that keeps a tag. */
export interface Keeper {
  /** Its number in the rule, from 1. */
  readonly entry: number;
  readonly which: Keep['which']['kind'];
  /** How long it keeps the tag if nothing is pushed or pulled, in milliseconds since 1970; undefined: no time ends it. */
  readonly until: number | undefined;
}

/** Why a tag is kept, or that it goes. */
export interface TagFate {
  readonly tag: Tag;
  readonly digest: Digest;
  /** Milliseconds. */
  readonly pushedAt: number;
  readonly isImmutable: boolean;
  /** Whether a run of retention now would keep it. */
  readonly isKept: boolean;
  readonly keptBy: readonly Keeper[];
  /** After which time it would be deleted if nothing is pushed or pulled, in milliseconds; undefined: no time ends it. */
  readonly until: number | undefined;
}

/** An untagged manifest that the rule deletes. */
export interface ManifestFate {
  readonly digest: Digest;
  /** Since when it has been untagged, in milliseconds. */
  readonly since: number;
  readonly bytes: number;
}

/**
 * Why a rule keeps the tags of a repository, those that go first: by when they go, then by name. Pure; it follows `planFor`.
 * @param rule undefined: nothing is deleted
 */
export function fatesOf(state: RepositoryState, rule: Rule | undefined, matches: Matches, times: PlanTimes): TagFate[] {
  const keepers = (rule?.keep ?? []).map((keep, entry) => keeperOf(state, keep, entry, matches, times));
  const deletesTags = rule?.keep !== undefined;
  const fates = [...state.tags].map(([tag, digest]): TagFate => {
    const pushedAt = state.tagTimes.get(tag) ?? times.now;
    const isImmutable = rule !== undefined && matches.isImmutable(tag);
    const keptBy = keepers.flatMap((keeper) => keeper(tag, digest) ?? []);
    const isKept = !deletesTags || isImmutable || keptBy.length > 0;
    const ends = keptBy.map(({ until }) => until);
    const isEndless = !deletesTags || isImmutable || ends.includes(undefined);
    const until = isEndless ? undefined : Math.max(times.now, ...ends.filter((end) => end !== undefined));
    return { tag, digest, pushedAt, isImmutable, isKept, keptBy, until };
  });
  return fates.sort(
    (one, other) =>
      (one.until ?? Number.POSITIVE_INFINITY) - (other.until ?? Number.POSITIVE_INFINITY) ||
      (one.tag < other.tag ? -1 : 1),
  );
}

/** The untagged manifests that a run of retention now would delete. */
export function manifestsThatGo(
  state: RepositoryState,
  rule: Rule | undefined,
  matches: Matches,
  times: PlanTimes,
): ManifestFate[] {
  if (rule?.deleteUntagged === undefined) return [];
  const removals = planFor(state, { ...rule, keep: undefined }, matches, times);
  return removals.flatMap((each) => (each.kind === 'manifest' ? [each] : []));
}

type FindKeeper = (tag: Tag, digest: Digest) => Keeper | undefined;

function keeperOf(
  state: RepositoryState,
  { which }: Keep,
  entry: number,
  matches: Matches,
  { now, pulledAt }: PlanTimes,
): FindKeeper {
  const pushedAt = (tag: Tag): number => state.tagTimes.get(tag) ?? now;
  const kept = (until?: number): Keeper => ({ entry: entry + 1, which: which.kind, until });
  const ifNamed =
    (find: FindKeeper): FindKeeper =>
    (tag, digest) =>
      matches.isNamed(tag, entry) ? find(tag, digest) : undefined;
  const ifNotOver = (until: number): Keeper | undefined => (until >= now ? kept(until) : undefined);
  switch (which.kind) {
    case 'all':
      return ifNamed(() => kept());
    case 'newest': {
      const named = [...state.tags.keys()].filter((tag) => matches.isNamed(tag, entry));
      const times = named.map(pushedAt).sort((one, other) => other - one);
      const least = times[which.count - 1] ?? Number.NEGATIVE_INFINITY;
      return ifNamed((tag) => (pushedAt(tag) >= least ? kept() : undefined));
    }
    case 'pushed-within':
      return ifNamed((tag) => ifNotOver(pushedAt(tag) + which.duration));
    case 'pulled-within':
      return ifNamed((tag, digest) => ifNotOver(Math.max(pushedAt(tag), pulledAt(tag, digest)) + which.duration));
    default:
      return unreachable(which);
  }
}
