import type { Caller } from '../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { ManifestFate, TagFate } from './explain.ts';
import type { UpcomingTag } from './outlook.ts';
import type { ReviewedEntry, ReviewedRule } from './reviewed-rule.ts';

export type { TagFate } from './explain.ts';
export type { Goes, UpcomingTag } from './outlook.ts';
export type { ReviewedEntry, ReviewedRule } from './reviewed-rule.ts';

/** Why retention keeps what a repository has. It only reads. Errors are RegistryErrors: `name-unknown`, `unavailable`, `log-broken`. */
export interface RetentionView {
  /** Whether a rule applies. Cheap, as it does not look at what the repository has; so it says nothing of whether there is one. */
  hasRule(repo: RepositoryName): boolean;
  explain(repo: RepositoryName, request: ExplainRequest, caller: Caller): Promise<Explanation>;
  /** What the rule says of some tags, and of the repository as a whole. Tags that do not exist are left out. */
  review(repo: RepositoryName, tags: readonly Tag[], caller: Caller): Promise<Review>;
  /**
   * What goes next from all repositories that the caller may list, and what the rules keep there, computed in the background.
   * @param limit tags that are listed
   */
  outlook(limit: number, caller: Caller): Promise<ShownOutlook>;
  /** What would go if the tags were deleted. */
  consequences(repo: RepositoryName, tags: readonly Tag[], caller: Caller): Promise<Consequences>;
}

export interface ExplainRequest {
  /** Only tags that have this text. */
  readonly text: string;
  readonly offset: number;
  readonly limit: number;
}

export interface Explanation {
  /** Name of the rule that applies; undefined: none does, and nothing is deleted. */
  readonly rule: string | undefined;
  /** Those that go first. */
  readonly tags: readonly TagFate[];
  /** How many tags match. */
  readonly count: number;
  /** How many of them a run now would delete. */
  readonly going: number;
  /** Untagged manifests that a run now would delete; the first of them. */
  readonly manifests: readonly ManifestFate[];
  readonly manifestCount: number;
  readonly bytes: number;
}

/** The rule of a repository, and what it does. */
export interface Review {
  /** undefined: no rule applies, nothing is deleted, and the rest is empty. */
  readonly rule: ReviewedRule | undefined;
  readonly fates: ReadonlyMap<Tag, TagFate>;
  /** Tags that a run now would delete. */
  readonly going: number;
  /** The tags that a time ends, those that go first, at most 5. */
  readonly soon: readonly TagFate[];
  /** Untagged manifests that a run now would delete. */
  readonly untagged: { readonly count: number; readonly bytes: number };
}

/** What deleting some tags leads to. */
export interface Consequences {
  /** Tags that the rule protects: they cannot be deleted, and are not counted. */
  readonly immutable: readonly Tag[];
  /** Manifests that nothing keeps alive any more: those that lose their last tag, with the parts of indexes and what is attached. */
  readonly manifests: ReadonlySet<Digest>;
  /** Blobs that only these manifests refer to. */
  readonly blobs: number;
  /** Of these manifests and blobs. */
  readonly bytes: number;
  /** How long such manifests are kept, in milliseconds; undefined: until somebody deletes them. */
  readonly deleteUntagged: number | undefined;
}

export type ShownOutlook =
  /** There is no rule that deletes. */
  | { readonly kind: 'no-rules' }
  /** It is being computed for the first time, or waits until the registry accepts writes. */
  | { readonly kind: 'not-yet' }
  | {
      readonly kind: 'known';
      /** When it was computed, in milliseconds since 1970. */
      readonly computedAt: number;
      /** Those that apply to a repository which the caller may list. */
      readonly rules: readonly RuleOutlook[];
      /** Those that go first: by when they go, then by name. */
      readonly tags: readonly ShownTag[];
      /** Whether there may be more that go. */
      readonly more: boolean;
    };

export interface ShownTag extends UpcomingTag {
  /** Name of its rule. */
  readonly rule: string;
  /** The entry of the rule that keeps it until then; undefined if none keeps it. */
  readonly because: ReviewedEntry | undefined;
}

/** What a rule does with the repositories to which it applies. */
export interface RuleOutlook {
  readonly rule: ReviewedRule;
  readonly repositories: number;
  readonly tags: number;
  /** Tags that a run deletes. */
  readonly going: number;
  readonly immutable: number;
  /** How many tags each entry of `keep` keeps; several may keep the same tag. */
  readonly keptBy: readonly number[];
  /** Manifests without a tag that a run deletes. */
  readonly untagged: { readonly count: number; readonly bytes: number };
}
