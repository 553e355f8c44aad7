import { z } from 'zod';
import { parseRuleFile, RuleFileError } from '../../rule-file/yaml-file.ts';
import { FileProblem } from '../reloaded-file.ts';
import { AccessRules, type AccessRulesParts } from './access-rules.ts';
import { issuerShape } from './issuer.ts';
import { quotaShape } from './quota.ts';
import { RepositoryPattern } from './repository-pattern.ts';
import { ACTIONS, REGISTRY_ACTIONS, type Rule } from './rule.ts';
import { type Definitions, mayHaveClaims, parseClaimsSubject, parseSubject, type Subject } from './subject.ts';
import { TextPattern } from './text-pattern.ts';

/** An unusable ACCESS_FILE. The message is one line and names the place in the file. */
export class AccessFileError extends FileProblem {
  override readonly name = 'AccessFileError';
}

const SUBJECT_FORMS = 'a name, a list of names or {issuer, claims} is expected';
const ALL_ACTIONS = [...ACTIONS, ...REGISTRY_ACTIONS] as const;

function checked(problemOf: (text: string) => string | undefined): z.ZodType<string, string> {
  return z.string('a text is expected; write it in quotes').superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

const claimsSubject = z.strictObject({
  issuer: z.string('the name of an issuer is expected'),
  claims: z
    .record(z.string(), checked(TextPattern.problemOf), 'claims are expected, as {name: value}')
    // Without a claim, the rule would apply to everyone who can get a token from a public issuer.
    .refine(
      (claims) => Object.keys(claims).length > 0,
      'at least one claim is expected; for all tokens of the issuer write oidc:<issuer>:**',
    ),
});
const subject = z.union([z.string(), claimsSubject], SUBJECT_FORMS);
const subjects = z.array(subject);

const rule = z
  .strictObject({
    who: z.union([z.string(), claimsSubject, subjects.min(1, SUBJECT_FORMS)], SUBJECT_FORMS),
    repositories: z.array(checked(RepositoryPattern.problemOf)).min(1, 'at least one pattern is expected').optional(),
    actions: z
      .array(z.enum(ALL_ACTIONS, `one of ${ALL_ACTIONS.join(', ')} is expected`), 'a list of actions is expected')
      .min(1, `at least one of ${ALL_ACTIONS.join(', ')} is expected`),
  })
  .superRefine(({ repositories, actions }, context) => {
    const needing = actions.find((action) => ACTIONS.some((each) => each === action));
    if (needing === undefined || repositories !== undefined) return;
    context.addIssue({ code: 'custom', path: ['repositories'], message: `${needing} needs repositories` });
  });

const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const shape = z.strictObject({
  groups: z
    .record(z.string().regex(GROUP_NAME, 'a name of 1 to 64 letters, digits and "._-" is expected'), subjects)
    .default({}),
  rules: z.array(rule, 'a list of rules is expected').min(1, 'at least one rule is expected'),
  issuers: z.array(issuerShape).default([]),
  quotas: z.array(quotaShape, 'a list of quotas is expected').default([]),
});

type Written = z.output<typeof shape>;
/** The parsed file without line numbers, which the schema does not have. */
type Resolved = Omit<AccessRulesParts, 'rules'> & { readonly rules: readonly Omit<Rule, 'line'>[] };
type Refuse = (path: readonly PropertyKey[], message: string) => void;

const file = shape.transform((written, context): Resolved => {
  const refuse: Refuse = (path, message) => context.addIssue({ code: 'custom', path: [...path], message });
  return resolve(written, refuse);
});

/** Resolves the names of groups and issuers. If anything is refused, the result is not used. */
function resolve({ groups, rules, issuers, quotas }: Written, refuse: Refuse): Resolved {
  refuseRepeated('issuers', issuers, ['name', 'issuer'], refuse);
  refuseRepeated('quotas', quotas, ['name'], refuse);
  const members = Object.entries(groups).map(([name, written]) => {
    const definitions = { groups: undefined, issuers };
    return [name, subjectsOf(written, definitions, ['groups', name], refuse)] as const;
  });
  const definitions = { groups: new Map(members), issuers };
  return { ...definitions, quotas, rules: rules.map((each, index) => resolveRule(each, index, definitions, refuse)) };
}

/** Names must be unique, and so must the URLs of issuers, because a token belongs to one entry. */
function refuseRepeated<Key extends string>(
  list: 'issuers' | 'quotas',
  entries: readonly Readonly<Record<Key, string>>[],
  keys: readonly Key[],
  refuse: Refuse,
): void {
  for (const key of keys) {
    const seen = new Set<string>();
    for (const [index, entry] of entries.entries()) {
      if (seen.has(entry[key])) refuse([list, index, key], `an earlier ${ENTRY[list]} has this ${key} too`);
      seen.add(entry[key]);
    }
  }
}

const ENTRY = { issuers: 'issuer', quotas: 'quota' } as const;

function resolveRule(
  written: Written['rules'][number],
  index: number,
  definitions: Definitions,
  refuse: Refuse,
): Omit<Rule, 'line'> {
  const path = ['rules', index];
  const who = subjectsOf(written.who, definitions, [...path, 'who'], refuse);
  const repositories = (written.repositories ?? []).map((text) => new RepositoryPattern(text));
  if (!who.some(mayHaveClaims)) {
    for (const [place, { claims }] of repositories.entries()) {
      if (claims.length > 0)
        refuse([...path, 'repositories', place], 'only identities of an issuer have claims, and `who` names none');
    }
  }
  return { number: index + 1, who, repositories, actions: new Set(written.actions) };
}

type WrittenSubject = z.output<typeof subject>;

function subjectsOf(
  written: WrittenSubject | readonly WrittenSubject[],
  definitions: Definitions,
  path: readonly PropertyKey[],
  refuse: Refuse,
): readonly Subject[] {
  if (isList(written)) return written.flatMap((each, index) => subjectsOf(each, definitions, [...path, index], refuse));
  const parsed =
    typeof written === 'string'
      ? parseSubject(written, definitions)
      : parseClaimsSubject(written.issuer, written.claims, definitions);
  if (typeof parsed !== 'string') return [parsed];
  refuse(path, parsed);
  return [];
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/**
 * Parses an access file.
 * @throws AccessFileError for the first problem
 */
export function parseAccessFile(text: string): AccessRules {
  try {
    const { value, lineOf } = parseRuleFile(text, file, 'an access file');
    const rules = value.rules.map((each, index) => ({ ...each, line: lineOf(['rules', index]) }));
    return new AccessRules({ ...value, rules });
  } catch (error) {
    throw error instanceof RuleFileError ? new AccessFileError(error.message) : error;
  }
}
