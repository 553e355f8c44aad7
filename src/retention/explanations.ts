import type { AccessPolicy, Caller } from '../access/access.ts';
import { showsTo } from '../access/shown.ts';
import type { RepositoryState } from '../journal/fold.ts';
import type { RepositoryName, Tag } from '../oci/names.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import { unkeptWithout } from './consequences.ts';
import { fatesOf, type ManifestFate, manifestsThatGo, type TagFate } from './explain.ts';
import type { Consequences, ExplainRequest, Explanation, RetentionView, Review, ShownOutlook } from './interface.ts';
import { Matches } from './matches.ts';
import type { Outlook } from './outlook.ts';
import type { PlanTimes, PulledAt } from './plan.ts';
import type { Rule } from './policy.ts';
import { reviewedRule } from './reviewed-rule.ts';
import { shownOutlook } from './shown-outlook.ts';

export interface ExplanationPorts {
  readonly access: AccessPolicy;
  readonly ruleFor: (repo: RepositoryName) => Rule | undefined;
  /** The state of a repository now. */
  readonly stateOf: (repo: RepositoryName) => Promise<RepositoryState>;
  /** When tags were last pulled, as far as it is stored. */
  readonly pulls: () => Promise<(repo: RepositoryName) => PulledAt>;
  /** What was computed last for all repositories, if anything was; absent if no rule deletes. */
  readonly outlook?: (() => Promise<Outlook | undefined>) | undefined;
  /** Lets other requests run. */
  readonly yieldToRequests: () => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Manifests that are listed. */
const MAX_MANIFESTS = 100;
/** Tags of a review that go first. */
const MAX_SOON = 5;
/** Tags that are matched between two calls of `yieldToRequests`. */
const YIELD_EVERY = 500;
/** For how long the fates of a repository that has not changed are used again, in milliseconds: each page of it shows some of them. */
const FRESH_MS = 5_000;

/** What a rule does with all of a repository. */
interface Fates {
  readonly tags: readonly TagFate[];
  readonly manifests: readonly ManifestFate[];
}

interface Known {
  readonly rule: Rule | undefined;
  readonly at: number;
  readonly fates: Promise<Fates>;
}

/** Explains what the rule of a repository does with it. */
export class Explanations implements RetentionView {
  readonly #ports: ExplanationPorts;
  /** As long as the states are remembered. */
  readonly #known = new WeakMap<RepositoryState, Known>();

  constructor(ports: ExplanationPorts) {
    this.#ports = ports;
  }

  hasRule(repo: RepositoryName): boolean {
    return this.#ports.ruleFor(repo) !== undefined;
  }

  async explain(repo: RepositoryName, { text, offset, limit }: ExplainRequest, caller: Caller): Promise<Explanation> {
    const state = await this.#state(repo, caller);
    const rule = this.#ports.ruleFor(repo);
    const { tags, manifests } = await this.#fates(repo, state, rule);
    const wanted = text.toLowerCase();
    const fates = tags.filter(({ tag }) => tag.toLowerCase().includes(wanted));
    return {
      rule: rule?.name,
      tags: fates.slice(offset, offset + limit),
      count: fates.length,
      going: fates.filter(({ isKept }) => !isKept).length,
      manifests: manifests.slice(0, MAX_MANIFESTS),
      manifestCount: manifests.length,
      bytes: manifests.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  async review(repo: RepositoryName, tags: readonly Tag[], caller: Caller): Promise<Review> {
    const state = await this.#state(repo, caller);
    const rule = this.#ports.ruleFor(repo);
    if (rule === undefined) return NO_REVIEW;
    const { tags: fates, manifests } = await this.#fates(repo, state, rule);
    const wanted = new Set(tags);
    return {
      rule: reviewedRule(rule),
      fates: new Map(fates.flatMap((fate) => (wanted.has(fate.tag) ? [[fate.tag, fate] as const] : []))),
      going: fates.filter(({ isKept }) => !isKept).length,
      soon: fates.slice(0, MAX_SOON).filter(({ until }) => until !== undefined),
      untagged: { count: manifests.length, bytes: manifests.reduce((sum, { bytes }) => sum + bytes, 0) },
    };
  }

  async consequences(repo: RepositoryName, tags: readonly Tag[], caller: Caller): Promise<Consequences> {
    const state = await this.#state(repo, caller);
    const rule = this.#ports.ruleFor(repo);
    const matches = new Matches(rule ?? NO_RULE);
    const immutable = tags.filter((tag) => state.tags.has(tag) && matches.isImmutable(tag));
    const deleted = tags.filter((tag) => !matches.isImmutable(tag));
    return { immutable, ...unkeptWithout(state, deleted), deleteUntagged: rule?.deleteUntagged };
  }

  async outlook(limit: number, caller: Caller): Promise<ShownOutlook> {
    const { outlook, access } = this.#ports;
    // Callers who may see nothing cannot have it computed.
    if (outlook === undefined || !access.maySeeAny(caller)) return { kind: 'no-rules' };
    const known = await outlook();
    return known === undefined ? { kind: 'not-yet' } : shownOutlook(known, showsTo(caller, access), limit);
  }

  async #state(repo: RepositoryName, caller: Caller): Promise<RepositoryState> {
    const { access, stateOf } = this.#ports;
    if (!access.allows(caller, 'pull', repo)) throw nameUnknown(repo);
    const state = await stateOf(repo);
    if (!state.exists) throw nameUnknown(repo);
    return state;
  }

  /** Shared by those who ask at about the same time. */
  async #fates(repo: RepositoryName, state: RepositoryState, rule: Rule | undefined): Promise<Fates> {
    const at = this.#ports.now();
    const known = this.#known.get(state);
    if (known !== undefined && known.rule === rule && Math.abs(at - known.at) < FRESH_MS) return await known.fates;
    const fates = this.#findFates(repo, state, rule);
    this.#known.set(state, { rule, at, fates });
    try {
      return await fates;
    } catch (error) {
      this.#known.delete(state);
      throw error;
    }
  }

  async #findFates(repo: RepositoryName, state: RepositoryState, rule: Rule | undefined): Promise<Fates> {
    const { matches, times } = await this.#prepared(repo, state, rule);
    return {
      tags: fatesOf(state, rule, matches, times),
      manifests: manifestsThatGo(state, rule, matches, times),
    };
  }

  async #prepared(
    repo: RepositoryName,
    state: RepositoryState,
    rule: Rule | undefined,
  ): Promise<{ readonly matches: Matches; readonly times: PlanTimes }> {
    const { pulls, yieldToRequests, now } = this.#ports;
    const matches = new Matches(rule ?? NO_RULE);
    let matched = 0;
    // Without a rule nothing is matched.
    const tags = rule === undefined ? [] : [...state.tags.keys()];
    await matches.prepare(tags, async () => {
      if (++matched % YIELD_EVERY === 0) await yieldToRequests();
    });
    return { matches, times: { now: now(), pulledAt: (await pulls())(repo) } };
  }
}

const NO_RULE: Pick<Rule, 'immutable' | 'keep'> = { immutable: undefined, keep: undefined };

const NO_REVIEW: Review = {
  ...{ rule: undefined, fates: new Map(), going: 0, soon: [] },
  untagged: { count: 0, bytes: 0 },
};
