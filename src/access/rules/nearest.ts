import { appliesTo, type Rule } from './rule.ts';
import { claimsThatDiffer, type RuledIdentity } from './subject.ts';

/** A part of a rule that does not match a request. */
export type Difference = 'who' | 'repositories' | 'actions';

/** The rule that would allow a request with the smallest change. */
export interface Nearest {
  readonly rule: number;
  readonly line: number | undefined;
  readonly differs: readonly Difference[];
  /** The claims that do not match, if `who` differs because of them. */
  readonly claims: readonly string[];
}

/**
 * Adding an action is a smaller change than adding a repository, which is smaller than adding an identity. Two changes always
 * weigh more than one.
 */
const WEIGHTS: Readonly<Record<Difference, number>> = { actions: 9, repositories: 10, who: 12 };

/**
 * @param othersOf the parts besides `who` that do not match
 * @returns the first rule with the smallest change; undefined if no part of any rule matches
 */
export function nearestOf(
  rules: readonly Rule[],
  identity: RuledIdentity,
  othersOf: (rule: Rule) => readonly Difference[],
): Nearest | undefined {
  let nearest: Nearest | undefined;
  let least = weightOf(['who', 'repositories', 'actions']);
  for (const rule of rules) {
    const applies = appliesTo(rule, identity);
    const claims = applies ? [] : rule.who.flatMap((subject) => claimsThatDiffer(subject, identity));
    const differs: readonly Difference[] = applies ? othersOf(rule) : ['who', ...othersOf(rule)];
    // A token of the right issuer is nearer than another identity.
    const weight = weightOf(differs) - (claims.length > 0 ? 1 : 0);
    if (weight >= least) continue;
    least = weight;
    nearest = { rule: rule.number, line: rule.line, differs, claims: [...new Set(claims)] };
  }
  return nearest;
}

function weightOf(differs: readonly Difference[]): number {
  return differs.reduce((sum, each) => sum + WEIGHTS[each], 0);
}
