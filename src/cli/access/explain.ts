import { labelOf } from '../../access/identity.ts';
import type { AccessRules, Decision } from '../../access/rules/access-rules.ts';
import type { Difference, Nearest } from '../../access/rules/nearest.ts';
import { ACTIONS, REGISTRY_ACTIONS } from '../../access/rules/rule.ts';
import type { RuledIdentity } from '../../access/rules/subject.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { EXIT, type ExitCode } from '../failure.ts';
import type { Output } from '../output.ts';

export const ALL_ACTIONS = [...ACTIONS, ...REGISTRY_ACTIONS] as const;
export type AnyAction = (typeof ALL_ACTIONS)[number];

export interface Question {
  readonly identity: RuledIdentity;
  readonly repo: RepositoryName;
  /** undefined for all actions. */
  readonly action: AnyAction | undefined;
  readonly rules: AccessRules;
  /** The file that the rules were read from; undefined for the built-in rule. */
  readonly path: string | undefined;
  readonly json: boolean;
}

interface Answer {
  readonly action: AnyAction;
  readonly decision: Decision;
}

/** `access explain`: prints the decision of the rules for one identity, and the reason. @returns `ok` if any of the actions is allowed */
export async function explain(question: Question, output: Output): Promise<ExitCode> {
  const { action, identity, rules, json } = question;
  const answers = (action === undefined ? ALL_ACTIONS : [action]).map((each) => answer(each, question));
  for (const each of answers) {
    if (json) await output.json(jsonOf(each, question));
    else if (action === undefined) await output.line(rowOf(each, question, output));
    else await output.line(sentenceOf(each, question, output));
  }
  const groups = rules.groupsOf(identity);
  if (!json && groups.length > 0)
    await output.line(output.styled('dim', `${labelOf(identity)} is in ${groups.join(', ')}`));
  return answers.some(({ decision }) => decision.kind === 'allowed') ? EXIT.ok : EXIT.negative;
}

function answer(action: AnyAction, { identity, repo, rules }: Question): Answer {
  const decision = isRegistryAction(action)
    ? rules.decideRegistry(identity, action)
    : rules.decide(identity, action, repo);
  return { action, decision };
}

function isRegistryAction(action: AnyAction): action is (typeof REGISTRY_ACTIONS)[number] {
  return REGISTRY_ACTIONS.some((each) => each === action);
}

function sentenceOf({ action, decision }: Answer, question: Question, output: Output): string {
  const { identity, repo } = question;
  const what = `${action}${isRegistryAction(action) ? '' : ` on ${repo}`} for ${labelOf(identity)}`;
  return decision.kind === 'allowed'
    ? `${output.styled('green', 'allowed')}: ${what}, by ${placeOf(decision, question)}`
    : `${output.styled('red', 'denied')}: no rule allows ${what}; ${nearestText(decision.nearest, action, question)}`;
}

const WIDTH = Math.max(...ALL_ACTIONS.map((each) => each.length));

function rowOf({ action, decision }: Answer, question: Question, output: Output): string {
  const name = action.padEnd(WIDTH);
  return decision.kind === 'allowed'
    ? `${name}  ${output.styled('green', 'allowed')}  ${placeOf(decision, question)}`
    : `${name}  ${output.styled('red', 'denied ')}  ${output.styled('dim', nearestText(decision.nearest, action, question))}`;
}

function placeOf({ rule, line }: Pick<Nearest, 'rule' | 'line'>, { path }: Question): string {
  if (line === undefined || path === undefined) return 'the rule that every account may do everything';
  return `rule ${rule} (line ${line} of ${path})`;
}

function nearestText(nearest: Nearest | undefined, action: AnyAction, question: Question): string {
  if (nearest === undefined) return 'no rule comes near';
  const reasons = nearest.differs.map((each) => reasonOf(each, nearest, action, question));
  return `the nearest is ${placeOf(nearest, question)}, but ${reasons.join(' and ')}`;
}

function reasonOf(difference: Difference, { claims }: Nearest, action: AnyAction, question: Question): string {
  switch (difference) {
    case 'who':
      return claims.length === 0
        ? `its who does not include ${labelOf(question.identity)}`
        : `its who asks for other claims (${claims.join(', ')})`;
    case 'repositories':
      return `its repositories do not match ${question.repo}`;
    case 'actions':
      return `its actions do not include ${action}`;
  }
}

function jsonOf({ action, decision }: Answer, { identity, repo }: Question): Record<string, unknown> {
  return {
    actor: labelOf(identity),
    action,
    ...(isRegistryAction(action) ? {} : { repo }),
    allowed: decision.kind === 'allowed',
    ...(decision.kind === 'allowed' ? { rule: decision.rule, line: decision.line } : { nearest: decision.nearest }),
  };
}
