import type { RepositoryName } from '../../oci/names.ts';
import { labelOf } from '../identity.ts';
import type { AccessRules, Decision } from './access-rules.ts';
import type { Difference, Nearest } from './nearest.ts';
import { type AnyAction, REGISTRY_ACTIONS } from './rule.ts';
import type { RuledIdentity } from './subject.ts';

/** Who wants to do something, and where. */
export interface AccessQuestion {
  readonly identity: RuledIdentity;
  readonly repo: RepositoryName;
}

/** The decision of the rules for one action. */
export interface AccessAnswer {
  readonly action: AnyAction;
  readonly decision: Decision;
}

export function decideAction(rules: AccessRules, { identity, repo }: AccessQuestion, action: AnyAction): AccessAnswer {
  const decision = isRegistryAction(action)
    ? rules.decideRegistry(identity, action)
    : rules.decide(identity, action, repo);
  return { action, decision };
}

/** Whether an action is not about one repository. */
export function isRegistryAction(action: AnyAction): action is (typeof REGISTRY_ACTIONS)[number] {
  return REGISTRY_ACTIONS.some((each) => each === action);
}

/** Why a rule that comes near does not allow the action, in words. */
export function differencesInWords(nearest: Nearest, action: AnyAction, question: AccessQuestion): string {
  return nearest.differs.map((each) => reasonOf(each, nearest, action, question)).join(' and ');
}

function reasonOf(
  difference: Difference,
  { claims }: Nearest,
  action: AnyAction,
  { identity, repo }: AccessQuestion,
): string {
  switch (difference) {
    case 'who':
      return claims.length === 0
        ? `its who does not include ${labelOf(identity)}`
        : `its who asks for other claims (${claims.join(', ')})`;
    case 'repositories':
      return `its repositories do not match ${repo}`;
    case 'actions':
      return `its actions do not include ${action}`;
  }
}
