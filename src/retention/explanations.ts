import type { AccessPolicy, Caller } from '../access/access.ts';
import type { RepositoryState } from '../journal/fold.ts';
import type { RepositoryName } from '../oci/names.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import { fatesOf, manifestsThatGo } from './explain.ts';
import type { ExplainRequest, Explanation, RetentionView } from './interface.ts';
import { Matches } from './matches.ts';
import type { PulledAt } from './plan.ts';
import type { Rule } from './policy.ts';

export interface ExplanationPorts {
  readonly access: AccessPolicy;
  readonly ruleFor: (repo: RepositoryName) => Rule | undefined;
  /** The state of a repository now. */
  readonly stateOf: (repo: RepositoryName) => Promise<RepositoryState>;
  /** When tags were last pulled, as far as it is stored. */
  readonly pulls: () => Promise<(repo: RepositoryName) => PulledAt>;
  /** Lets other requests run. */
  readonly yieldToRequests: () => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Manifests that are listed. */
const MAX_MANIFESTS = 100;
/** Tags that are matched between two calls of `yieldToRequests`. */
const YIELD_EVERY = 500;

/** Explains what the rule of a repository does with it. */
export class Explanations implements RetentionView {
  readonly #ports: ExplanationPorts;

  constructor(ports: ExplanationPorts) {
    this.#ports = ports;
  }

  async explain(repo: RepositoryName, { text, offset, limit }: ExplainRequest, caller: Caller): Promise<Explanation> {
    const { access, ruleFor, stateOf, pulls, yieldToRequests, now } = this.#ports;
    if (!access.allows(caller, 'pull', repo)) throw nameUnknown(repo);
    const state = await stateOf(repo);
    if (!state.exists) throw nameUnknown(repo);
    const rule = ruleFor(repo);
    const matches = new Matches(rule ?? NO_RULE);
    let matched = 0;
    await matches.prepare([...state.tags.keys()], async () => {
      if (++matched % YIELD_EVERY === 0) await yieldToRequests();
    });
    const times = { now: now(), pulledAt: (await pulls())(repo) };
    const wanted = text.toLowerCase();
    const fates = fatesOf(state, rule, matches, times).filter(({ tag }) => tag.toLowerCase().includes(wanted));
    const manifests = manifestsThatGo(state, rule, matches, times);
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
}

const NO_RULE: Pick<Rule, 'immutable' | 'keep'> = { immutable: undefined, keep: undefined };
