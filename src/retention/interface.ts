import type { Caller } from '../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { ManifestFate, TagFate } from './explain.ts';
import type { Which } from './policy.ts';

export type { TagFate } from './explain.ts';
export type { Which } from './policy.ts';

/** Why retention keeps what a repository has. It only reads. Errors are RegistryErrors: `name-unknown`, `unavailable`, `log-broken`. */
export interface RetentionView {
  explain(repo: RepositoryName, request: ExplainRequest, caller: Caller): Promise<Explanation>;
  /** What the rule says of some tags, and of the repository as a whole. Tags that do not exist are left out. */
  review(repo: RepositoryName, tags: readonly Tag[], caller: Caller): Promise<Review>;
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

export interface ReviewedRule {
  readonly name: string;
  /** undefined: all tags are kept. */
  readonly keep: readonly { readonly tags: readonly string[]; readonly which: Which }[] | undefined;
  /** How long a manifest without a tag is kept, in milliseconds; undefined: for ever. */
  readonly deleteUntagged: number | undefined;
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
