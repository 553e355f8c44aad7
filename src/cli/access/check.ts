import type { AccessRules } from '../../access/rules/access-rules.ts';
import type { Rule } from '../../access/rules/rule.ts';
import { issuerText, membersOf, quotaText, sentenceOf, subjectText } from '../../access/rules/sentences.ts';
import { EXIT, type ExitCode } from '../failure.ts';
import { count, type Output } from '../output.ts';

/** `access check`: prints a sentence for each rule. */
export async function describeRules(
  { rules, groups, issuers, quotas }: AccessRules,
  path: string,
  json: boolean,
  output: Output,
): Promise<ExitCode> {
  for (const rule of rules) {
    if (json) await output.json(jsonOf(rule));
    else await output.line(`rule ${rule.number} (line ${rule.line}): ${sentenceOf(rule)}`);
  }
  if (json) {
    for (const { name, patterns, allowed } of quotas) {
      await output.json({ type: 'quota', quota: name, repositories: patterns, allowed });
    }
    await output.json({
      type: 'summary',
      file: path,
      rules: rules.length,
      groups: groups.size,
      issuers: issuers.length,
      quotas: quotas.length,
    });
    return EXIT.ok;
  }
  for (const [name, members] of groups) await output.line(`group ${name}: ${membersOf(members)}`);
  for (const issuer of issuers) await output.line(issuerText(issuer));
  for (const quota of quotas) await output.line(quotaText(quota));
  const counts = [
    count(rules.length, 'rule'),
    count(groups.size, 'group'),
    count(issuers.length, 'issuer'),
    count(quotas.length, 'quota'),
  ];
  await output.line(`${path} can be used: ${counts.join(', ')}`);
  return EXIT.ok;
}

function jsonOf({ number, line, who, repositories, actions }: Rule): Record<string, unknown> {
  return {
    type: 'rule',
    rule: number,
    line,
    who: who.map(subjectText),
    repositories: repositories.map(({ text }) => text),
    actions: [...actions],
  };
}
