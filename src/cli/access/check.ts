import type { AccessRules } from '../../access/rules/access-rules.ts';
import type { Issuer, JwksSource } from '../../access/rules/issuer.ts';
import { type Quota, RESOURCES } from '../../access/rules/quota.ts';
import type { Rule } from '../../access/rules/rule.ts';
import type { Subject } from '../../access/rules/subject.ts';
import type { TextPattern } from '../../access/rules/text-pattern.ts';
import { formatBytes } from '../../config/size.ts';
import { EXIT, type ExitCode } from '../failure.ts';
import { count, type Output } from '../output.ts';
import type { AnyAction } from './explain.ts';

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

function sentenceOf(rule: Rule): string {
  const actions = [...rule.actions];
  const onRepositories = actions.flatMap((action) => ON_REPOSITORIES[action] ?? []);
  const onRegistry = actions.flatMap((action) => ON_REGISTRY[action] ?? []);
  const where = inWords(rule.repositories.map(({ text }) => text));
  const parts = [...(onRepositories.length === 0 ? [] : [`${inWords(onRepositories)} in ${where}`]), ...onRegistry];
  return `${inWords(rule.who.map(subjectText))} may ${parts.join('; ')}`;
}

const ON_REPOSITORIES: Readonly<Partial<Record<AnyAction, string>>> = {
  pull: 'pull',
  push: 'push',
  create: 'push new tags',
  delete: 'delete',
};
const ON_REGISTRY: Readonly<Partial<Record<AnyAction, string>>> = {
  catalog: 'list the repositories that they may pull',
  metrics: 'read the metrics',
  admin: 'administer the registry',
};

function subjectText(subject: Subject): string {
  switch (subject.kind) {
    case 'anonymous':
      return 'everyone, even without credentials,';
    case 'everyone':
      return 'everyone with an identity';
    case 'users':
      return 'every account of HTPASSWD_FILE';
    case 'user':
      return `user ${subject.name}`;
    case 'group':
      return `group ${subject.name}`;
    case 'robot':
      return named('robot', subject.names);
    case 'certificate':
      return named('certificate', subject.names);
    case 'oidc': {
      const who = `${named('subject', subject.subjects)} of issuer ${subject.written}`;
      return subject.issuers.length === 0 ? `${who} (there is none)` : who;
    }
    case 'claims': {
      const claims = subject.claims.map(([name, { text, isExact }]) => `${name} ${isExact ? '=' : 'like'} ${text}`);
      return `everyone with a token of issuer ${subject.issuer} with ${inWords(claims)}`;
    }
  }
}

function named(kind: string, names: TextPattern): string {
  return names.isExact ? `${kind} ${names.text}` : `${kind}s ${names.text}`;
}

function membersOf(members: readonly Subject[]): string {
  return members.length === 0 ? 'no members' : inWords(members.map(subjectText));
}

function issuerText({ name, issuer, audience, jwks, web }: Issuer): string {
  const logins = web === undefined ? '' : `; people log in at the page by its client ${web.clientId}`;
  return `issuer ${name}: tokens of ${issuer} for ${audience}, with keys ${keysText(jwks)}${logins}`;
}

function keysText(jwks: JwksSource): string {
  switch (jwks.kind) {
    case 'discover':
      return 'that it publishes';
    case 'url':
      return `of ${jwks.url}`;
    case 'file':
      return `of the file ${jwks.path}`;
  }
}

function quotaText({ name, patterns, allowed }: Quota): string {
  const limits = RESOURCES.flatMap((resource) => {
    const limit = allowed[resource];
    if (limit === undefined) return [];
    return [resource === 'bytes' ? formatBytes(limit) : `${limit} ${resource}`];
  });
  return `quota ${name}: ${inWords(patterns)} may use ${inWords(limits)} together`;
}

/** `a`, `a and b`, `a, b and c`. */
function inWords(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
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
