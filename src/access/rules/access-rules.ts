import type { RepositoryName } from '../../oci/names.ts';
import type { Action, Permission, RegistryAction } from '../authority.ts';
import type { Issuer } from './issuer.ts';
import { type Nearest, nearestOf } from './nearest.ts';
import type { Quota } from './quota.ts';
import { RepositoryPattern } from './repository-pattern.ts';
import { ACTIONS, appliesTo, includes, REGISTRY_ACTIONS, type Rule, repositoriesFor } from './rule.ts';
import { matchesSubject, type RuledIdentity, type Subject } from './subject.ts';

export type Decision =
  | { readonly kind: 'allowed'; readonly rule: number; readonly line: number | undefined }
  /** @property nearest the rule that would need the smallest change; undefined if no part of any rule matches */
  | { readonly kind: 'denied'; readonly nearest: Nearest | undefined };

export interface AccessRulesParts {
  readonly rules: readonly Rule[];
  readonly groups: ReadonlyMap<string, readonly Subject[]>;
  readonly issuers: readonly Issuer[];
  readonly quotas: readonly Quota[];
}

/** The content of ACCESS_FILE. Only what a rule allows is allowed. Immutable: a changed file is parsed into a new value. */
export class AccessRules {
  readonly rules: readonly Rule[];
  readonly groups: ReadonlyMap<string, readonly Subject[]>;
  readonly issuers: readonly Issuer[];
  readonly quotas: readonly Quota[];

  constructor({ rules, groups, issuers, quotas }: AccessRulesParts) {
    this.rules = rules;
    this.groups = groups;
    this.issuers = issuers;
    this.quotas = quotas;
  }

  decide(identity: RuledIdentity, action: Action, repo: RepositoryName): Decision {
    const allowing = this.of(identity).allowing(action, repo);
    return allowing === undefined
      ? { kind: 'denied', nearest: this.nearest(identity, { kind: 'repository', action, repo }) }
      : allowedBy(allowing);
  }

  decideRegistry(identity: RuledIdentity, action: RegistryAction): Decision {
    const allowing = this.of(identity).allowingRegistry(action);
    return allowing === undefined
      ? { kind: 'denied', nearest: this.nearest(identity, { kind: 'registry', action }) }
      : allowedBy(allowing);
  }

  /** The rule that would allow it with the smallest change; undefined if no part of any rule matches. */
  nearest(identity: RuledIdentity, wanted: Permission): Nearest | undefined {
    if (wanted.kind === 'registry') {
      const rules = this.rules.filter((rule) => includes(rule, wanted.action));
      return nearestOf(rules, identity, () => []);
    }
    return nearestOf(this.rules, identity, (rule) => [
      ...(repositoriesFor(rule, identity)(wanted.repo) ? [] : (['repositories'] as const)),
      ...(includes(rule, wanted.action) ? [] : (['actions'] as const)),
    ]);
  }

  /** The rules for one identity, with its claims inserted. It examines every rule, so callers should cache the result. */
  of(identity: RuledIdentity): RulesOfIdentity {
    return new RulesOfIdentity(
      this.rules
        .filter((rule) => appliesTo(rule, identity))
        .map((rule) => ({ rule, isOn: repositoriesFor(rule, identity) })),
    );
  }

  groupsOf(identity: RuledIdentity): readonly string[] {
    const groups = [...this.groups].filter(([, members]) => members.some((member) => matchesSubject(member, identity)));
    return groups.map(([name]) => name);
  }

  /** Names of the claims of an issuer's tokens that rules examine. @param issuer its name */
  claimsNeeded(issuer: string): readonly string[] {
    const inPatterns = this.rules.flatMap(({ repositories }) => repositories.flatMap(({ claims }) => claims));
    const subjects = [...this.groups.values(), ...this.rules.map(({ who }) => who)].flat();
    const inSubjects = subjects.flatMap((subject) =>
      subject.kind === 'claims' && subject.issuer === issuer ? subject.claims.map(([name]) => name) : [],
    );
    return [...new Set([...inPatterns, ...inSubjects])].sort();
  }
}

interface RuleOfIdentity {
  readonly rule: Rule;
  /** Whether it applies to this repository. */
  readonly isOn: (repo: RepositoryName) => boolean;
}

/** The rules that apply to one identity. */
export class RulesOfIdentity {
  readonly #rules: readonly RuleOfIdentity[];

  constructor(rules: readonly RuleOfIdentity[]) {
    this.#rules = rules;
  }

  /** The first rule that allows it. */
  allowing(action: Action, repo: RepositoryName): Rule | undefined {
    return this.#rules.find(({ rule, isOn }) => includes(rule, action) && isOn(repo))?.rule;
  }

  allowingRegistry(action: RegistryAction): Rule | undefined {
    return this.#rules.find(({ rule }) => includes(rule, action))?.rule;
  }

  /** Whether any rule allows it, on whatever repositories. */
  allowsSomewhere(action: Action): boolean {
    return this.#rules.some(({ rule }) => includes(rule, action));
  }

  /** For each action, the number of the first rule that allows it on the repository. */
  allowingOn(repo: RepositoryName): Readonly<Record<Action, number | undefined>> {
    const matching = this.#rules.filter(({ isOn }) => isOn(repo));
    const first = (action: Action): number | undefined =>
      matching.find(({ rule }) => includes(rule, action))?.rule.number;
    return { pull: first('pull'), push: first('push'), create: first('create'), delete: first('delete') };
  }
}

function allowedBy({ number, line }: Rule): Decision {
  return { kind: 'allowed', rule: number, line };
}

/** The rules with HTPASSWD_FILE but without ACCESS_FILE. Permissions of robots must be written down (docs/decisions/0063). */
export const accountsMayDoEverything = new AccessRules({
  rules: [
    {
      number: 1,
      line: undefined,
      who: [{ kind: 'users' }],
      repositories: [new RepositoryPattern('**')],
      actions: new Set([...ACTIONS, ...REGISTRY_ACTIONS]),
    },
  ],
  groups: new Map(),
  issuers: [],
  quotas: [],
});

/** The rules with neither file: only a token server decides. */
export const nothingIsAllowed = new AccessRules({ rules: [], groups: new Map(), issuers: [], quotas: [] });
