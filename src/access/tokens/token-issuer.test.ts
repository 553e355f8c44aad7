import { expect, test } from 'bun:test';
import { decodeJwt } from 'jose';
import { testSigner } from '../../../test/support/token-keys.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { AccessPolicy, Action } from '../access.ts';
import type { Identity } from '../identity.ts';
import { AccountVersions } from './account-versions.ts';
import { OwnTokens } from './own-tokens.ts';
import { RefreshTokens } from './refresh-tokens.ts';
import { TokenIssuer } from './token-issuer.ts';

const SERVICE = 'registry.example';
const RIGHTS: Readonly<Record<string, readonly Action[]>> = {
  'team/pulls': ['pull'],
  'team/creates': ['pull', 'create'],
  'team/pushes': ['pull', 'create', 'push'],
  'team/everything': ['pull', 'create', 'push', 'delete'],
};

/** The identities that the policy was asked about. */
const asked: Identity[] = [];
const policy: AccessPolicy = {
  allows: ({ authority: { kind, identity } }, action, repo) => {
    expect(kind).toBe('identity');
    asked.push(identity);
    return identity.kind !== 'anonymous' && RIGHTS[repo]?.includes(action) === true;
  },
  mayPullUnnamed: () => false,
  mayList: () => false,
  maySeeAny: () => false,
  allowsRegistry: ({ authority: { identity } }, action) => identity.kind !== 'anonymous' && action === 'catalog',
};

const { signer, ring, clock } = testSigner();
const versions = new AccountVersions(({ name }) => `version of ${name}`);
const common = { signer, versions, lifetime: 300_000 };
const own = new OwnTokens({
  ...common,
  lifetimeOf: () => 300_000,
  keys: ring,
  isService: (name) => name === SERVICE,
  now: () => clock.now,
});
const refresh = new RefreshTokens(common);
const claimsNeeded = (issuer: string): readonly string[] => (issuer === 'github' ? ['ref', 'environment'] : []);
const issuer = new TokenIssuer({ own, refresh, versions, policy, claimsNeeded });
const deployer: Identity = { kind: 'user', name: 'deployer' };

async function issue(identity: Identity, scopes: readonly string[], offline = false) {
  const request = { service: SERVICE, scopes, offline };
  const bound = issuer.bind({ kind: 'identity', identity });
  if (bound === undefined) throw new Error('there are no tokens for it');
  return await issuer.issue(bound, request, new AbortController().signal);
}

test('a token has the part of its scopes that the rules allow', async () => {
  const scopes = Object.keys(RIGHTS).map((repo) => `repository:${repo}:pull,push`);
  const issued = await issue(deployer, [
    ...scopes,
    'repository:team/other:pull',
    'registry:catalog:*',
    'registry:admin:*',
  ]);
  expect(issued.scope.split(' ')).toEqual([
    'repository:team/pulls:pull',
    'repository:team/creates:pull,push',
    'repository:team/pushes:pull,push',
    'repository:team/everything:pull,push',
    'registry:catalog:*',
  ]);
  expect(decodeJwt(issued.token).access).toEqual([
    { type: 'repository', name: 'team/pulls', actions: ['pull'] },
    { type: 'repository', name: 'team/creates', actions: ['pull', 'push'] },
    { type: 'repository', name: 'team/pushes', actions: ['pull', 'push'] },
    { type: 'repository', name: 'team/everything', actions: ['pull', 'push'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ]);
});

test('`push` in the token of an identity that may only create is `create`, and the gate knows it', async () => {
  const { token } = await issue(deployer, ['repository:team/creates:push repository:team/everything:*']);
  const found = await own.bearer(token);
  if (found?.kind !== 'known' || found.authority.kind !== 'own-token') throw new Error('it is not known');
  const { grants } = found.authority;
  const actions = ['pull', 'create', 'push', 'delete'] as const;
  const granted = (repo: string) => actions.filter((action) => grants.allows(action, repo as RepositoryName));
  expect(granted('team/creates')).toEqual(['create']);
  expect(granted('team/everything')).toEqual(['pull', 'create', 'push', 'delete']);
});

test('a token cannot be exchanged for another one, and no token is issued for the registry itself', () => {
  const grants = { allows: () => true, allowsRegistry: () => true };
  for (const kind of ['own-token', 'server-token'] as const) {
    expect(issuer.bind({ kind, identity: deployer, grants })).toBeUndefined();
  }
  const others: readonly Identity[] = [
    { kind: 'token', subject: 'deployer' },
    { kind: 'system', task: 'retention' },
    { kind: 'operator', uid: 0 },
  ];
  for (const identity of others) expect(issuer.bind({ kind: 'identity', identity })).toBeUndefined();
});

test('an anonymous token is issued even if it allows nothing', async () => {
  const issued = await issue({ kind: 'anonymous' }, ['repository:team/pulls:pull'], true);
  expect(issued).toMatchObject({ scope: '', refreshToken: undefined });
  expect(decodeJwt(issued.token)).toMatchObject({ sub: 'anonymous', access: [] });
});

test('only the claims of an OIDC token that rules examine are copied', async () => {
  const claims = { ref: 'refs/heads/main', email: 'someone@example', environment: ['prod'] };
  const { token } = await issue({ kind: 'oidc', issuer: 'github', subject: 'repo:a/b', claims }, [
    'repository:team/pulls:pull',
  ]);
  const identity = {
    kind: 'oidc',
    issuer: 'github',
    subject: 'repo:a/b',
    claims: { ref: claims.ref, environment: ['prod'] },
  };
  expect(decodeJwt(token)).toMatchObject({ sub: 'oidc:github:repo:a/b', marina: { identity } });
  expect(asked.at(-1)).toEqual(identity as Identity);
  expect(await own.bearer(token)).toMatchObject({ kind: 'known', authority: { identity } });
});

test('a refresh token is issued on request, and gives its account back', async () => {
  expect((await issue(deployer, [])).refreshToken).toBeUndefined();
  const { refreshToken = '' } = await issue(deployer, [], true);
  expect(await issuer.redeem(refreshToken)).toEqual({ identity: deployer, version: 'version of deployer' });
});

test('too many scopes are refused', async () => {
  const refused = issue(deployer, [Array.from({ length: 65 }, (_, at) => `repository:r${at}:pull`).join(' ')]);
  await expect(refused).rejects.toMatchObject({ kind: 'request-invalid' });
});
