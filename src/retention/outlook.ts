import type { RepositoryState } from '../journal/fold.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import { fatesOf, manifestsThatGo, type TagFate } from './explain.ts';
import type { Matches } from './matches.ts';
import type { PlanTimes } from './plan.ts';
import type { Rule } from './policy.ts';
import { type ReviewedRule, reviewedRule } from './reviewed-rule.ts';

/** What retention would take from all repositories, and what its rules keep, computed at one moment. */
export interface Outlook {
  /** Milliseconds since 1970. */
  readonly computedAt: number;
  /** Those that delete, in the order of the file. */
  readonly rules: readonly ReviewedRule[];
  /** Those to which such a rule applies. */
  readonly repositories: readonly RepositoryOutlook[];
  /** The tags that go first, in that order: those that a run deletes, then by time, then those that only a push ends. */
  readonly tags: readonly UpcomingTag[];
  /** How many repositories were too many to be listed. */
  readonly omitted: number;
}

export interface RepositoryOutlook {
  readonly repo: RepositoryName;
  /** Index of its rule in `rules`. */
  readonly rule: number;
  readonly tags: number;
  /** Tags that a run deletes. */
  readonly going: number;
  readonly immutable: number;
  /** How many tags each entry of the rule keeps; several may keep the same tag. Empty if the rule keeps all tags. */
  readonly keptBy: readonly number[];
  /** Manifests without a tag that a run deletes. */
  readonly untagged: { readonly count: number; readonly bytes: number };
}

/** When a tag goes. `push`: when another tag that the same entry names is pushed. */
export type Goes = 'now' | 'push' | { readonly at: number };

export interface UpcomingTag {
  readonly repo: RepositoryName;
  readonly tag: Tag;
  readonly digest: Digest;
  readonly goes: Goes;
  /** Number of the entry that keeps it until then, from 1; 0 if none keeps it. */
  readonly entry: number;
}

/** Bounds of what is kept in memory and stored. */
const MAX_OUTLOOK_REPOSITORIES = 20_000;
export const MAX_OUTLOOK_TAGS = 5_000;
/** So that one repository does not hide the others. */
const MAX_TAGS_OF_EACH = 10;

/** Takes in one repository after another. */
export class OutlookCollector {
  readonly #rules: ReviewedRule[] = [];
  readonly #numbers = new Map<Rule, number>();
  readonly #repositories: RepositoryOutlook[] = [];
  #tags: UpcomingTag[] = [];
  #omitted = 0;

  /** @param rules those that may apply, in their order */
  constructor(rules: readonly Rule[]) {
    for (const rule of rules) {
      this.#numbers.set(rule, this.#rules.length);
      this.#rules.push(reviewedRule(rule));
    }
  }

  add(repo: RepositoryName, state: RepositoryState, rule: Rule, matches: Matches, times: PlanTimes): void {
    const number = this.#numbers.get(rule);
    if (number === undefined || !state.exists) return;
    const fates = fatesOf(state, rule, matches, times);
    this.#addTags(upcomingTags(repo, fates, rule));
    if (this.#repositories.length === MAX_OUTLOOK_REPOSITORIES) {
      this.#omitted++;
      return;
    }
    const manifests = manifestsThatGo(state, rule, matches, times);
    this.#repositories.push({
      ...{ repo, rule: number, tags: fates.length },
      going: fates.filter(({ isKept }) => !isKept).length,
      immutable: fates.filter(({ isImmutable }) => isImmutable).length,
      keptBy: (rule.keep ?? []).map((_, at) => fates.filter((fate) => isKeptBy(fate, at + 1)).length),
      untagged: { count: manifests.length, bytes: manifests.reduce((sum, { bytes }) => sum + bytes, 0) },
    });
  }

  /** @param computedAt milliseconds since 1970 */
  outlook(computedAt: number): Outlook {
    return {
      ...{ computedAt, rules: this.#rules, repositories: this.#repositories, omitted: this.#omitted },
      tags: firstTags(this.#tags),
    };
  }

  #addTags(tags: readonly UpcomingTag[]): void {
    this.#tags.push(...tags);
    if (this.#tags.length > 2 * MAX_OUTLOOK_TAGS) this.#tags = firstTags(this.#tags);
  }
}

/** The tags of one repository that go first. Pure. @param fates as `fatesOf` orders them */
function upcomingTags(repo: RepositoryName, fates: readonly TagFate[], rule: Rule): UpcomingTag[] {
  const found: UpcomingTag[] = [];
  for (const { tag, digest, isKept, keptBy, until } of fates) {
    if (found.length === MAX_TAGS_OF_EACH) return found;
    if (isKept && until === undefined) break;
    const goes = isKept && until !== undefined ? { at: until } : 'now';
    const keeper = keptBy.find((each) => each.until === until);
    found.push({ repo, tag, digest, goes, entry: keeper?.entry ?? 0 });
  }
  const displaced = (rule.keep ?? []).flatMap((_, at) => displacedNext(repo, fates, rule, at + 1) ?? []);
  return [...found, ...displaced].slice(0, MAX_TAGS_OF_EACH);
}

/** The oldest tag that an entry keeps among its newest, if there is no room for one more and nothing else keeps it. */
function displacedNext(
  repo: RepositoryName,
  fates: readonly TagFate[],
  rule: Rule,
  entry: number,
): UpcomingTag | undefined {
  const which = rule.keep?.[entry - 1]?.which;
  if (which?.kind !== 'newest') return undefined;
  const kept = fates.filter((fate) => isKeptBy(fate, entry));
  // Tags that were pushed at the same moment count as equally new, so there may be more.
  if (kept.length !== which.count) return undefined;
  const [oldest] = kept.toSorted((one, other) => one.pushedAt - other.pushedAt);
  if (oldest === undefined || oldest.isImmutable || oldest.keptBy.length > 1) return undefined;
  return { repo, tag: oldest.tag, digest: oldest.digest, goes: 'push', entry };
}

function isKeptBy({ keptBy }: TagFate, entry: number): boolean {
  return keptBy.some((keeper) => keeper.entry === entry);
}

function firstTags(tags: readonly UpcomingTag[]): UpcomingTag[] {
  return tags.toSorted(byGoing).slice(0, MAX_OUTLOOK_TAGS);
}

/** Those that go first, then by name. */
function byGoing(one: UpcomingTag, other: UpcomingTag): number {
  const [first, second] = [orderOf(one.goes), orderOf(other.goes)];
  // Of two that no time ends the difference is no number.
  return first === second ? byName(one, other) : first - second;
}

function orderOf(goes: Goes): number {
  if (goes === 'now') return Number.NEGATIVE_INFINITY;
  return goes === 'push' ? Number.POSITIVE_INFINITY : goes.at;
}

function byName(one: UpcomingTag, other: UpcomingTag): number {
  const [first, second] = [`${one.repo}:${one.tag}`, `${other.repo}:${other.tag}`];
  if (first < second) return -1;
  return first > second ? 1 : 0;
}
