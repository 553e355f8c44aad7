import { unreachable } from '../../oci/errors.ts';
import type { ReviewedEntry, ReviewedRule, TagFate } from '../../retention/interface.ts';
import { formatDuration, formatNumber } from '../format.ts';

const ALL = '*';
/** Patterns of one entry that are named. */
const MAX_PATTERNS = 6;

/** What an entry of `keep` keeps: `the newest 20 of main-*`. Pure. */
export function entryText({ tags, which }: ReviewedEntry): string {
  const isAll = tags.includes(ALL);
  const named = tags.slice(0, MAX_PATTERNS).join(', ') + (tags.length > MAX_PATTERNS ? ', …' : '');
  const of = isAll ? '' : ` of ${named}`;
  switch (which.kind) {
    case 'all':
      return isAll ? 'every tag' : `tags named ${named}`;
    case 'newest':
      return `the newest ${formatNumber(which.count)}${of}`;
    case 'pushed-within':
      return `pushed within ${formatDuration(which.duration)}${of}`;
    case 'pulled-within':
      return `pulled within ${formatDuration(which.duration)}${of}`;
    default:
      return unreachable(which);
  }
}

export type Fate =
  | { readonly kind: 'immutable' }
  | { readonly kind: 'goes' }
  /** @property until milliseconds; undefined: no time ends it. @property reason which entry keeps it the longest */
  | { readonly kind: 'kept'; readonly until: number | undefined; readonly reason: string };

/** What a rule does with a tag, by the entry that keeps it the longest. Pure. @returns undefined if the rule keeps all tags */
export function fateOf(fate: TagFate | undefined, rule: ReviewedRule | undefined): Fate | undefined {
  if (fate === undefined || rule === undefined) return undefined;
  if (fate.isImmutable) return { kind: 'immutable' };
  if (rule.keep === undefined) return undefined;
  if (!fate.isKept) return { kind: 'goes' };
  const longest = fate.keptBy.find(({ until }) => until === fate.until);
  const entry = longest === undefined ? undefined : rule.keep[longest.entry - 1];
  return { kind: 'kept', until: fate.until, reason: entry === undefined ? '' : entryText(entry) };
}
