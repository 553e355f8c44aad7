import type { Caller } from '../access/access.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { ManifestFate, TagFate } from './explain.ts';

/** Why retention keeps what a repository has. It only reads. */
export interface RetentionView {
  /** @throws RegistryError `name-unknown`, `unavailable`, `log-broken` */
  explain(repo: RepositoryName, request: ExplainRequest, caller: Caller): Promise<Explanation>;
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
