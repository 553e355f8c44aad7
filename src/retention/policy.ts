import type { RepositoryName, Tag } from '../oci/names.ts';
import type { RepositoryPolicy } from '../registry/policy.ts';
import type { Patterns } from './patterns.ts';

/** Which of the tags that an entry of `keep` names it keeps. */
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
  /** For people. */
  readonly name: string;
  readonly repositories: Patterns;
  readonly immutable: { readonly tags: Patterns; readonly except: Patterns } | undefined;
  /** A tag that none of these keeps is deleted; undefined: all tags stay. */
  readonly keep: readonly Keep[] | undefined;
  /** Milliseconds; undefined: manifests without tags stay. */
  readonly deleteUntagged: number | undefined;
}

/** Repositories whose rule is remembered: a cluster's names come from outside, so they must not pile up. */
const MOST_REMEMBERED = 10_000;

/** What a retention file says. The first rule whose `repositories` match a repository is the only one that counts for it. */
export class RetentionPolicy implements RepositoryPolicy {
  readonly rules: readonly Rule[];
  readonly #remembered = new Map<RepositoryName, Rule | undefined>();

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
  }

  ruleFor(repo: RepositoryName): Rule | undefined {
    if (this.#remembered.has(repo)) return this.#remembered.get(repo);
    const rule = this.rules.find(({ repositories }) => repositories.matches(repo));
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(repo, rule);
    return rule;
  }

  isImmutable(repo: RepositoryName, tag: Tag): boolean {
    const immutable = this.ruleFor(repo)?.immutable;
    return immutable?.tags.matches(tag) === true && !immutable.except.matches(tag);
  }

  countsPushes(repo: RepositoryName): boolean {
    return this.ruleFor(repo)?.keep?.some(({ which }) => which.kind !== 'all') ?? false;
  }

  /** Whether a rule deletes tags at a time that is known before. */
  get announces(): boolean {
    return this.rules.some(({ keep = [] }) => keep.some(({ which }) => which.kind === 'pushed-within'));
  }

  /** Whether a tag that is pushed now stays for so many milliseconds, as far as can be known now. */
  keepsPushed(repo: RepositoryName, tag: Tag, duration: number): boolean {
    const keep = this.ruleFor(repo)?.keep;
    if (keep === undefined || this.isImmutable(repo, tag)) return true;
    return keep.some(({ tags, which }) => tags.matches(tag) && (!('duration' in which) || which.duration >= duration));
  }

  /** How far back it matters when tags were pulled, in milliseconds; undefined: no rule asks. */
  get pullWindow(): number | undefined {
    const windows = this.rules.flatMap(({ keep = [] }) =>
      keep.flatMap(({ which }) => (which.kind === 'pulled-within' ? [which.duration] : [])),
    );
    return windows.length === 0 ? undefined : Math.max(...windows);
  }

  untaggedStay(repo: RepositoryName): number | undefined {
    return this.ruleFor(repo)?.deleteUntagged;
  }
}
