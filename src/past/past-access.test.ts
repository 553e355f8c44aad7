import { describe, expect, test } from 'bun:test';
import { type AccessPolicy, ANONYMOUS_CALLER, type Caller, openAccess, type RuleLookup } from '../access/access.ts';
import type { Authority } from '../access/authority.ts';
import type { RepositoryName } from '../oci/names.ts';
import { PastAccess } from './past-access.ts';
import { PastNames } from './past-names.ts';

const REPO = 'team/app' as RepositoryName;
const PAST = 'at/20261128t101500z/team/app' as RepositoryName;
const OTHER = 'at/20261128t101500z/team/other' as RepositoryName;

/** Identities may pull from team/app. */
const RULES: AccessPolicy & RuleLookup = {
  ...openAccess,
  allows: ({ authority }, action, repo) =>
    action === 'pull' && repo === REPO && (authority.kind === 'identity' || authority.grants.allows(action, repo)),
  mayPullUnnamed: (_, repo) => repo === REPO,
  allowing: (_, wanted) => (wanted.kind === 'repository' && wanted.repo === REPO ? 3 : undefined),
  nearest: () => 7,
};
const access = new PastAccess(RULES, new PastNames('at'));

function callerWith(authority: Authority): Caller {
  return { ...ANONYMOUS_CALLER, authority };
}

function token(kind: 'own-token' | 'server-token', ...names: readonly RepositoryName[]): Caller {
  const grants = { allows: (_: string, repo: RepositoryName) => names.includes(repo), allowsRegistry: () => false };
  return kind === 'own-token'
    ? callerWith({ kind, identity: { kind: 'user', name: 'me' }, grants })
    : callerWith({ kind, identity: { kind: 'token', subject: 'me' }, grants });
}

describe('the past of a repository', () => {
  test('may be pulled by those who may pull from it today, and is changed by nobody', () => {
    expect(access.allows(ANONYMOUS_CALLER, 'pull', PAST)).toBe(true);
    expect(access.allows(ANONYMOUS_CALLER, 'pull', OTHER)).toBe(false);
    for (const action of ['push', 'create', 'delete'] as const) {
      expect(access.allows(ANONYMOUS_CALLER, action, PAST)).toBe(false);
    }
    expect(access.allowing(ANONYMOUS_CALLER, { kind: 'repository', action: 'pull', repo: PAST })).toBe(3);
  });

  test('may be pulled with a token of this registry for either name', () => {
    expect(access.allows(token('own-token', PAST), 'pull', PAST)).toBe(true);
    expect(access.allows(token('own-token', REPO), 'pull', PAST)).toBe(true);
    expect(access.allows(token('own-token'), 'pull', PAST)).toBe(false);
    // The rules forbid it, whatever the token says.
    expect(access.allows(token('own-token', OTHER), 'pull', OTHER)).toBe(false);
  });

  test('needs a token of a token server for the repository itself', () => {
    expect(access.allows(token('server-token', REPO), 'pull', PAST)).toBe(true);
    expect(access.allows(token('server-token', PAST), 'pull', PAST)).toBe(false);
  });
});
