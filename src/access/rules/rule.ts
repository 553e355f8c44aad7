import type { RepositoryName } from '../../oci/names.ts';
import type { Action, RegistryAction } from '../authority.ts';
import type { RepositoryPattern } from './repository-pattern.ts';
import { matchesSubject, type RuledIdentity, type Subject } from './subject.ts';

export const ACTIONS = ['pull', 'push', 'create', 'delete'] as const satisfies readonly Action[];
export const REGISTRY_ACTIONS = ['catalog', 'metrics', 'admin'] as const satisfies readonly RegistryAction[];
/** Every action that a rule can allow. */
export const ALL_ACTIONS = [...ACTIONS, ...REGISTRY_ACTIONS] as const;
export type AnyAction = (typeof ALL_ACTIONS)[number];

/** Allows actions to identities. Actions on repositories are allowed only on those that the patterns match. */
export interface Rule {
  /** Its place among the rules; the first is 1. */
  readonly number: number;
  /** Line of ACCESS_FILE; undefined for the built-in rule. */
  readonly line: number | undefined;
  readonly who: readonly Subject[];
  readonly repositories: readonly RepositoryPattern[];
  /** As written: `push` includes `create` even if that is not listed. */
  readonly actions: ReadonlySet<Action | RegistryAction>;
}

export function appliesTo({ who }: Rule, identity: RuledIdentity): boolean {
  return who.some((subject) => matchesSubject(subject, identity));
}

export function includes({ actions }: Rule, action: Action | RegistryAction): boolean {
  return actions.has(action) || (action === 'create' && actions.has('push'));
}

/** The repositories of a rule for one identity, with its claims inserted. */
export function repositoriesFor({ repositories }: Rule, identity: RuledIdentity): (repo: RepositoryName) => boolean {
  const claims = identity.kind === 'oidc' ? identity.claims : {};
  const patterns = repositories.map((pattern) => pattern.withClaims(claims)).filter((each) => each !== undefined);
  return (repo) => patterns.some((each) => each.matches(repo));
}
