import { formatBytes } from '../../config/size.ts';
import type { Issuer, JwksSource } from './issuer.ts';
import { type Quota, RESOURCES } from './quota.ts';
import type { AnyAction, Rule } from './rule.ts';
import type { Subject } from './subject.ts';
import type { TextPattern } from './text-pattern.ts';

/** The rules of ACCESS_FILE in words, for people. All functions are pure. */

/** What a rule allows, as a sentence. */
export function sentenceOf(rule: Rule): string {
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

/** A subject, in words. */
export function subjectText(subject: Subject): string {
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

/** The members of a group, in words. */
export function membersOf(members: readonly Subject[]): string {
  return members.length === 0 ? 'no members' : inWords(members.map(subjectText));
}

/** Whose tokens are accepted. */
export function issuerText({ name, issuer, audience, jwks, web }: Issuer): string {
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

/** What a quota limits. */
export function quotaText({ name, patterns, allowed }: Quota): string {
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
