import type { RepositoryName, Tag } from '../oci/names.ts';
import type { RepositoryPolicy } from '../registry/policy.ts';
import type { Patterns } from '../rule-file/patterns.ts';

/** Which of its matching tags an entry of `keep` keeps. */
export type Which =
  | { readonly kind: 'all' }
  | { readonly kind: 'newest'; readonly count: number }
  /** Durations in milliseconds. */
  | { readonly kind: 'pushed-within'; readonly duration: number }
  | { readonly kind: 'pulled-within'; readonly duration: number };

export interface Keep {
  readonly tags: Patterns;
  readonly which: Which;
}

/** One rule of a retention file. */
export interface Rule {
  /** Shown to people. */
  readonly name: string;
  readonly repositories: Patterns;
  readonly immutable: { readonly tags: Patterns; readonly except: Patterns } | undefined;
  /** A tag that no entry keeps is deleted. undefined: all tags are kept. */
  readonly keep: readonly Keep[] | undefined;
  /** Milliseconds. undefined: untagged manifests are kept. */
  readonly deleteUntagged: number | undefined;
}

/** Size of the cache of rules by repository. Clients choose the names, so it must be bounded. */
const MAX_CACHED = 10_000;

/** The rules of a retention file. For each repository the first matching rule applies, and only that one. */
export class RetentionPolicy implements RepositoryPolicy {
  readonly rules: readonly Rule[];
  readonly #cached = new Map<RepositoryName, Rule | undefined>();

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
  }

  ruleFor(repo: RepositoryName): Rule | undefined {
    if (this.#cached.has(repo)) return this.#cached.get(repo);
    const rule = this.rules.find(({ repositories }) => repositories.matches(repo));
    if (this.#cached.size >= MAX_CACHED) this.#cached.clear();
    this.#cached.set(repo, rule);
    return rule;
  }

  isImmutable(repo: RepositoryName, tag: Tag): boolean {
    const immutable = this.ruleFor(repo)?.immutable;
    return immutable?.tags.matches(tag) === true && !immutable.except.matches(tag);
  }

  tracksPushTimes(repo: RepositoryName): boolean {
    return this.ruleFor(repo)?.keep?.some(({ which }) => which.kind !== 'all') ?? false;
  }

  /** Whether a rule deletes tags at a time that is known in advance. */
  get announces(): boolean {
    return this.rules.some(({ keep = [] }) => keep.some(({ which }) => which.kind === 'pushed-within'));
  }

  /** Whether the rule keeps a tag that is pushed now for this duration, in milliseconds, as far as that can be known. */
  keepsPushed(repo: RepositoryName, tag: Tag, duration: number): boolean {
    const keep = this.ruleFor(repo)?.keep;
    if (keep === undefined || this.isImmutable(repo, tag)) return true;
    return keep.some(({ tags, which }) => tags.matches(tag) && (!('duration' in which) || which.duration >= duration));
  }

  /** How far back the times of pulls matter, in milliseconds; undefined if no rule uses them. */
  get pullWindow(): number | undefined {
    const windows = this.rules.flatMap(({ keep = [] }) =>
      keep.flatMap(({ which }) => (which.kind === 'pulled-within' ? [which.duration] : [])),
    );
    return windows.length === 0 ? undefined : Math.max(...windows);
  }

  untaggedLifetime(repo: RepositoryName): number | undefined {
    return this.ruleFor(repo)?.deleteUntagged;
  }
}
