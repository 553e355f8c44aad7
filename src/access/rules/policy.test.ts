import { describe, expect, test } from 'bun:test';
import type { RepositoryName } from '../../oci/names.ts';
import { ANONYMOUS_CALLER, type Caller } from '../access.ts';
import type { Authority, Grants } from '../authority.ts';
import type { Identity } from '../identity.ts';
import { parseAccessFile } from './access-file.ts';
import { RulesPolicy } from './policy.ts';

const repo = (name: string) => name as RepositoryName;
const caller = (authority: Authority): Caller => ({ ...ANONYMOUS_CALLER, authority });
const x: Identity = { kind: 'user', name: 'x' };
const pullOf = (name: string): Grants => ({
  allows: (action, each) => action === 'pull' && each === name,
  allowsRegistry: (action) => action === 'catalog',
});

const rules = parseAccessFile(`
rules:
  - {who: anonymous, repositories: [public], actions: [pull]}
  - {who: x, repositories: [a, b], actions: [pull, push]}
  - {who: x, actions: [catalog, metrics]}
`);
const policy = new RulesPolicy(() => rules);

describe('the policy', () => {
  test('applies the rules to an identity', () => {
    const known = caller({ kind: 'identity', identity: x });
    for (let time = 0; time < 2; time++) {
      expect([policy.allows(known, 'push', repo('a')), policy.allows(known, 'delete', repo('a'))]).toEqual([
        true,
        false,
      ]);
      expect([policy.allows(known, 'pull', repo('c')), policy.mayPullUnnamed(known, repo('b'))]).toEqual([false, true]);
      expect([policy.allowsRegistry(known, 'metrics'), policy.allowsRegistry(known, 'admin')]).toEqual([true, false]);
      expect([
        policy.allows(ANONYMOUS_CALLER, 'pull', repo('public')),
        policy.allows(ANONYMOUS_CALLER, 'pull', repo('a')),
      ]).toEqual([true, false]);
    }
  });

  test('also requires the grant of an own token, except for repositories that the request does not name', () => {
    const token = (name: string) => caller({ kind: 'own-token', identity: x, grants: pullOf(name) });
    expect(policy.allows(token('a'), 'pull', repo('a'))).toBe(true);
    expect(policy.allows(token('a'), 'push', repo('a'))).toBe(false);
    expect(policy.allows(token('a'), 'pull', repo('b'))).toBe(false);
    // The rules may have changed since the token was made.
    expect(policy.allows(token('c'), 'pull', repo('c'))).toBe(false);
    expect([policy.mayPullUnnamed(token('a'), repo('b')), policy.mayPullUnnamed(token('c'), repo('c'))]).toEqual([
      true,
      false,
    ]);
    expect([policy.allowsRegistry(token('a'), 'catalog'), policy.allowsRegistry(token('a'), 'metrics')]).toEqual([
      true,
      false,
    ]);
  });

  test('lets the token of a token server decide alone', () => {
    const token = caller({ kind: 'server-token', identity: { kind: 'token', subject: 'x' }, grants: pullOf('c') });
    expect([policy.allows(token, 'pull', repo('c')), policy.allows(token, 'pull', repo('public'))]).toEqual([
      true,
      false,
    ]);
    expect([policy.mayPullUnnamed(token, repo('c')), policy.mayPullUnnamed(token, repo('public'))]).toEqual([
      true,
      false,
    ]);
    expect([policy.allowsRegistry(token, 'catalog'), policy.allowsRegistry(token, 'metrics')]).toEqual([true, false]);
  });

  test('lists what the caller may pull, or everything with the catalog scope of a token server', () => {
    const own = caller({ kind: 'own-token', identity: x, grants: pullOf('a') });
    expect([policy.mayList(own, repo('b')), policy.mayList(own, repo('c'))]).toEqual([true, false]);
    const grants = pullOf('c');
    const token = { kind: 'server-token', identity: { kind: 'token', subject: 'x' }, grants } as const;
    expect(policy.mayList(caller(token), repo('b'))).toBe(true);
    const without = { ...token, grants: { ...grants, allowsRegistry: () => false } };
    expect(['b', 'c'].map((name) => policy.mayList(caller(without), repo(name)))).toEqual([false, true]);
  });

  test('knows who can see no repository at all', () => {
    const seeing = (authority: Authority): boolean => policy.maySeeAny(caller(authority));
    expect(policy.maySeeAny(ANONYMOUS_CALLER)).toBe(true);
    expect(seeing({ kind: 'identity', identity: x })).toBe(true);
    expect(seeing({ kind: 'own-token', identity: x, grants: pullOf('a') })).toBe(true);
    // What the token of a token server names cannot be listed.
    expect(seeing({ kind: 'server-token', identity: { kind: 'token', subject: 'y' }, grants: pullOf('c') })).toBe(true);
    expect(seeing({ kind: 'identity', identity: { kind: 'system', task: 'retention' } })).toBe(true);
    const writers = parseAccessFile(
      'rules: [{who: x, repositories: [b], actions: [push, delete]}, {who: x, actions: [catalog]}]',
    );
    const writing = new RulesPolicy(() => writers);
    expect(writing.maySeeAny(caller({ kind: 'identity', identity: x }))).toBe(false);
    expect(writing.maySeeAny(caller({ kind: 'own-token', identity: x, grants: pullOf('b') }))).toBe(false);
    expect(writing.maySeeAny(ANONYMOUS_CALLER)).toBe(false);
  });

  test('allows Marina itself and its operator everything', () => {
    for (const identity of [
      { kind: 'system', task: 'retention' },
      { kind: 'operator', uid: 0 },
    ] as const) {
      const own = caller({ kind: 'identity', identity });
      expect([
        policy.allows(own, 'delete', repo('z')),
        policy.mayPullUnnamed(own, repo('z')),
        policy.allowsRegistry(own, 'admin'),
      ]).toEqual([true, true, true]);
    }
  });

  test('names the rule that allows something, or the nearest', () => {
    const known = caller({ kind: 'identity', identity: x });
    const on = (action: 'pull' | 'create' | 'delete', name: string) =>
      ({ kind: 'repository', action, repo: repo(name) }) as const;
    expect([policy.allowing(known, on('create', 'a')), policy.allowing(known, on('pull', 'public'))]).toEqual([2, 1]);
    expect([policy.allowing(known, on('delete', 'a')), policy.nearest(known, on('delete', 'a'))]).toEqual([
      undefined,
      2,
    ]);
    expect(policy.allowing(known, { kind: 'registry', action: 'metrics' })).toBe(3);
    expect(policy.nearest(ANONYMOUS_CALLER, { kind: 'registry', action: 'metrics' })).toBe(3);
    expect(policy.nearest(known, { kind: 'registry', action: 'admin' })).toBeUndefined();
    const token = caller({ kind: 'server-token', identity: { kind: 'token', subject: 'x' }, grants: pullOf('a') });
    expect([policy.allowing(token, on('pull', 'a')), policy.nearest(token, on('pull', 'b'))]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('discards cached results when the rules change', () => {
    let current = rules;
    const changing = new RulesPolicy(() => current);
    const known = caller({ kind: 'identity', identity: x });
    expect(changing.allows(known, 'push', repo('a'))).toBe(true);
    current = parseAccessFile('rules: [{who: x, repositories: [b], actions: [push]}]');
    expect([changing.allows(known, 'push', repo('a')), changing.allows(known, 'push', repo('b'))]).toEqual([
      false,
      true,
    ]);
  });

  test('examines all rules once per identity, and caches a bounded number of repositories', () => {
    let looks = 0;
    const counted = {
      nearest: rules.nearest.bind(rules),
      of: (identity: Parameters<typeof rules.of>[0]) => {
        looks++;
        return rules.of(identity);
      },
    };
    const counting = new RulesPolicy(() => counted);
    const known = caller({ kind: 'identity', identity: x });
    for (const name of ['a', 'b', 'c', 'a']) counting.allows(known, 'pull', repo(name));
    counting.allowsRegistry(known, 'catalog');
    expect(looks).toBe(1);
    for (let number = 0; number < 250_000; number++) counting.allows(known, 'pull', repo(`x${number}`));
    expect(looks).toBe(3);
    expect(counting.allows(known, 'pull', repo('a'))).toBe(true);
  });
});
