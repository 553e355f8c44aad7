import { labelOf } from '../../access/identity.ts';
import type { AccessRules } from '../../access/rules/access-rules.ts';
import {
  type AccessAnswer,
  type AccessQuestion,
  decideAction,
  differencesInWords,
  isRegistryAction,
} from '../../access/rules/explain.ts';
import type { Nearest } from '../../access/rules/nearest.ts';
import { ALL_ACTIONS, type AnyAction } from '../../access/rules/rule.ts';
import { EXIT, type ExitCode } from '../failure.ts';
import type { Output } from '../output.ts';

export interface Question extends AccessQuestion {
  /** undefined for all actions. */
  readonly action: AnyAction | undefined;
  readonly rules: AccessRules;
  /** The file that the rules were read from; undefined for the built-in rule. */
  readonly path: string | undefined;
  readonly json: boolean;
}

/** `access explain`: prints the decision of the rules for one identity, and the reason. @returns `ok` if any of the actions is allowed */
export async function explain(question: Question, output: Output): Promise<ExitCode> {
  const { action, identity, rules, json } = question;
  const answers = (action === undefined ? ALL_ACTIONS : [action]).map((each) => decideAction(rules, question, each));
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

function sentenceOf({ action, decision }: AccessAnswer, question: Question, output: Output): string {
  const { identity, repo } = question;
  const what = `${action}${isRegistryAction(action) ? '' : ` on ${repo}`} for ${labelOf(identity)}`;
  return decision.kind === 'allowed'
    ? `${output.styled('green', 'allowed')}: ${what}, by ${placeOf(decision, question)}`
    : `${output.styled('red', 'denied')}: no rule allows ${what}; ${nearestText(decision.nearest, action, question)}`;
}

const WIDTH = Math.max(...ALL_ACTIONS.map((each) => each.length));

function rowOf({ action, decision }: AccessAnswer, question: Question, output: Output): string {
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
  return `the nearest is ${placeOf(nearest, question)}, but ${differencesInWords(nearest, action, question)}`;
}

function jsonOf({ action, decision }: AccessAnswer, { identity, repo }: Question): Record<string, unknown> {
  return {
    actor: labelOf(identity),
    action,
    ...(isRegistryAction(action) ? {} : { repo }),
    allowed: decision.kind === 'allowed',
    ...(decision.kind === 'allowed' ? { rule: decision.rule, line: decision.line } : { nearest: decision.nearest }),
  };
}
