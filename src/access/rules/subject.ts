import type { Identity } from '../identity.ts';
import { claimMatches } from './claims.ts';
import type { Issuer } from './issuer.ts';
import { TextPattern } from './text-pattern.ts';

/** Identities that rules apply to. Marina's background work and the operator's commands are not subject to rules. */
export type RuledIdentity = Exclude<Identity, { readonly kind: 'system' | 'operator' }>;

/** An entry of `who` or of a group: the identities that it names. */
export type Subject =
  /** Everyone, because whatever is allowed without credentials is also allowed with them. */
  | { readonly kind: 'anonymous' }
  /** Everyone with an identity. */
  | { readonly kind: 'everyone' }
  /** Every account of HTPASSWD_FILE. It cannot be written in the file. */
  | { readonly kind: 'users' }
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'group'; readonly name: string; readonly members: readonly Subject[] }
  | { readonly kind: 'robot'; readonly names: TextPattern }
  | { readonly kind: 'certificate'; readonly names: TextPattern }
  /** @property issuers names of the issuers that `written` matches; a pattern of URLs may match several or none */
  | {
      readonly kind: 'oidc';
      readonly written: string;
      readonly issuers: readonly string[];
      readonly subjects: TextPattern;
    }
  /** Tokens of one issuer that have all of these claims. */
  | { readonly kind: 'claims'; readonly issuer: string; readonly claims: readonly (readonly [string, TextPattern])[] };

/** The groups and issuers that subjects can refer to. */
export interface Definitions {
  /** undefined within a group, because groups do not nest. */
  readonly groups: ReadonlyMap<string, readonly Subject[]> | undefined;
  readonly issuers: readonly Issuer[];
}

/** @returns a string if the text is wrong: the reason, which does not repeat the text */
export function parseSubject(text: string, definitions: Definitions): Subject | string {
  if (text === 'anonymous' || text === 'everyone') {
    return definitions.groups === undefined ? `${text} cannot be in a group: name it in the rule` : { kind: text };
  }
  const [, kind, rest = ''] = /^([^:]*):(.*)$/s.exec(text) ?? [];
  switch (kind) {
    case undefined:
      return parseUser(text);
    case 'group':
      return parseGroup(rest, definitions);
    case 'robot':
      return withPattern(rest, (names) => ({ kind: 'robot', names }));
    case 'cert':
      return withPattern(rest, (names) => ({ kind: 'certificate', names }));
    case 'oidc':
      return parseOidc(rest, definitions);
    default:
      return 'unknown kind: a user name without ":", or group:, robot:, cert: or oidc: is expected';
  }
}

function parseUser(name: string): Subject | string {
  const problem = TextPattern.problemOf(name);
  if (problem !== undefined) return problem;
  return new TextPattern(name).isExact ? { kind: 'user', name } : 'the name of one user is expected, not a pattern';
}

function parseGroup(name: string, { groups }: Definitions): Subject | string {
  if (groups === undefined) return 'a group cannot be in a group: name both in the rule';
  const members = groups.get(name);
  return members === undefined ? '`groups` has no group of this name' : { kind: 'group', name, members };
}

/** Parses `<issuer>:<subject>`, where the issuer is a name, a URL or a pattern of URLs. */
function parseOidc(rest: string, { issuers }: Definitions): Subject | string {
  const byUrl = /^(?<written>https?:\/\/[^/:]+(?::\d+)?(?:\/[^:]*)?):(?<subject>.*)$/s.exec(rest);
  const byName = /^(?<written>[^:]*):(?<subject>.*)$/s.exec(rest);
  const { written, subject } = (byUrl ?? byName)?.groups ?? {};
  if (written === undefined || subject === undefined) return 'oidc:<issuer>:<subject> is expected';
  const problem = TextPattern.problemOf(written);
  if (problem !== undefined) return problem;
  const pattern = new TextPattern(written);
  const meant = issuers.filter(({ name, issuer }) => (byUrl === null ? name === written : pattern.matches(issuer)));
  // A pattern of URLs may match none: a group may be shared by files with different issuers.
  if (meant.length === 0 && (byUrl === null || pattern.isExact)) return 'there is no such issuer under `issuers`';
  const names = meant.map(({ name }) => name);
  return withPattern(subject, (subjects) => ({ kind: 'oidc', written, issuers: names, subjects }));
}

/** @param issuer its name or URL */
export function parseClaimsSubject(
  issuer: string,
  claims: Readonly<Record<string, string>>,
  { issuers }: Definitions,
): Subject | string {
  const found = issuers.find(({ name, issuer: url }) => name === issuer || url === issuer);
  if (found === undefined) return 'there is no such issuer under `issuers`';
  const patterns = Object.entries(claims).map(([name, text]) => [name, new TextPattern(text)] as const);
  return { kind: 'claims', issuer: found.name, claims: patterns };
}

function withPattern(text: string, make: (pattern: TextPattern) => Subject): Subject | string {
  return TextPattern.problemOf(text) ?? make(new TextPattern(text));
}

/** Whether a subject names an identity. */
export function matchesSubject(subject: Subject, identity: RuledIdentity): boolean {
  switch (subject.kind) {
    case 'anonymous':
      return true;
    case 'everyone':
      return identity.kind !== 'anonymous';
    case 'users':
      return identity.kind === 'user';
    case 'user':
      return identity.kind === 'user' && identity.name === subject.name;
    case 'group':
      return subject.members.some((member) => matchesSubject(member, identity));
    case 'robot':
      return identity.kind === 'robot' && subject.names.matches(identity.name);
    case 'certificate':
      return identity.kind === 'certificate' && subject.names.matches(identity.commonName);
    case 'oidc':
      return (
        identity.kind === 'oidc' &&
        subject.issuers.includes(identity.issuer) &&
        subject.subjects.matches(identity.subject)
      );
    case 'claims':
      return (
        identity.kind === 'oidc' && identity.issuer === subject.issuer && missingClaims(subject, identity).length === 0
      );
  }
}

/** Names of the claims that the identity lacks, or whose values do not match. */
function missingClaims(
  { claims }: Extract<Subject, { readonly kind: 'claims' }>,
  identity: Extract<Identity, { readonly kind: 'oidc' }>,
): readonly string[] {
  return claims.flatMap(([name, pattern]) => (claimMatches(identity.claims, name, pattern) ? [] : [name]));
}

/** The claims because of which a subject does not match a token of its issuer. */
export function claimsThatDiffer(subject: Subject, identity: RuledIdentity): readonly string[] {
  if (identity.kind !== 'oidc') return [];
  if (subject.kind === 'group') return subject.members.flatMap((member) => claimsThatDiffer(member, identity));
  return subject.kind === 'claims' && subject.issuer === identity.issuer ? missingClaims(subject, identity) : [];
}

/** Whether identities that a subject names can have claims. */
export function mayHaveClaims(subject: Subject): boolean {
  switch (subject.kind) {
    case 'everyone':
    case 'oidc':
    case 'claims':
      return true;
    case 'group':
      return subject.members.some(mayHaveClaims);
    case 'anonymous':
    case 'users':
    case 'user':
    case 'robot':
    case 'certificate':
      return false;
  }
}
