import type { Rule, Which } from './policy.ts';

/** A rule as it is shown to people. */
export interface ReviewedRule {
  readonly name: string;
  /** undefined: all tags are kept. */
  readonly keep: readonly ReviewedEntry[] | undefined;
  /** How long a manifest without a tag is kept, in milliseconds; undefined: for ever. */
  readonly deleteUntagged: number | undefined;
}

export interface ReviewedEntry {
  /** Globs. */
  readonly tags: readonly string[];
  readonly which: Which;
}

export function reviewedRule({ name, keep, deleteUntagged }: Rule): ReviewedRule {
  return { name, keep: keep?.map(({ tags, which }) => ({ tags: tags.texts, which })), deleteUntagged };
}
