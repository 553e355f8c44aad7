import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseRepositoryName, type RepositoryName } from '../../oci/names.ts';
import type { Claims } from '../identity.ts';
import { parseAccessFile } from './access-file.ts';
import { type AccessRules, accountsMayDoEverything } from './access-rules.ts';
import { ACTIONS, REGISTRY_ACTIONS } from './rule.ts';
import type { RuledIdentity } from './subject.ts';

const ANONYMOUS: RuledIdentity = { kind: 'anonymous' };
const user = (name: string): RuledIdentity => ({ kind: 'user', name });
const robot = (name: string): RuledIdentity => ({ kind: 'robot', name });
const certificate = (commonName: string): RuledIdentity => ({ kind: 'certificate', commonName });
const oidc = (issuer: string, subject: string, claims: Claims = {}): RuledIdentity => ({
  kind: 'oidc',
  issuer,
  subject,
  claims,
});
const repo = (name: string) => name as RepositoryName;

const ISSUERS = `
issuers:
  - {name: github, issuer: 'https://github.example', audience: registry}
  - {name: gitlab, issuer: 'https://gitlab.example', audience: registry}
`;

/** The rules of a file with one rule. */
function ruleFor(who: string, repositories = "'**'", actions = 'pull'): AccessRules {
  return parseAccessFile(`rules: [{who: ${who}, repositories: [${repositories}], actions: [${actions}]}]${ISSUERS}`);
}

function may(
  rules: AccessRules,
  identity: RuledIdentity,
  name = 'a',
  action: (typeof ACTIONS)[number] = 'pull',
): boolean {
  return rules.decide(identity, action, repo(name)).kind === 'allowed';
}

describe('the subjects of a rule', () => {
  const everyone = [ANONYMOUS, user('x'), robot('x'), certificate('x'), oidc('github', 'x')];
  const meant = (who: string, identities: readonly RuledIdentity[]) =>
    identities.map((each) => may(ruleFor(who), each));

  test('anonymous means all callers, and everyone means all callers with an identity', () => {
    expect(meant('anonymous', everyone)).toEqual([true, true, true, true, true]);
    expect(meant('everyone', everyone)).toEqual([false, true, true, true, true]);
  });

  test('a user, a robot, a certificate and a subject of an issuer are never mistaken for each other', () => {
    expect(meant('x', everyone)).toEqual([false, true, false, false, false]);
    expect(meant("'robot:*'", everyone)).toEqual([false, false, true, false, false]);
    expect(meant("'cert:*'", everyone)).toEqual([false, false, false, true, false]);
    expect(meant("'oidc:github:*'", everyone)).toEqual([false, false, false, false, true]);
    expect(meant("'oidc:gitlab:*'", everyone)).toEqual([false, false, false, false, false]);
  });

  test('names match exactly, and patterns as in RETENTION_FILE', () => {
    expect(meant('deployer', [user('deployer'), user('Deployer'), user('deployer '), user('deploye')])).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(meant("'robot:ci-*'", [robot('ci-a'), robot('ci-'), robot('ci'), robot('xci-a'), robot('ci-a/b')])).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(
      meant("'oidc:github:repo:org/*:ref:refs/heads/main'", [
        oidc('github', 'repo:org/app:ref:refs/heads/main'),
        oidc('github', 'repo:org/app:ref:refs/heads/dev'),
        oidc('github', 'repo:other/org/app:ref:refs/heads/main'),
      ]),
    ).toEqual([true, false, false]);
  });

  test('no external name with invisible characters matches a pattern', () => {
    for (const name of ['ci-\n', 'ci-\0', 'ci-\u202e', 'ci-\ud800', 'ci-\u2028'])
      expect([name, ...meant("'robot:*'", [robot(name)])]).toEqual([name, false]);
  });

  test('a name that looks like another kind of identity gains nothing', () => {
    const rules = parseAccessFile(`
groups: {platform: [deployer]}
rules:
  - {who: [group:platform, 'robot:ci', 'cert:host', 'oidc:github:sub'], repositories: ['**'], actions: [push]}
  - {who: anonymous, repositories: [public], actions: [pull]}
  - {who: everyone, repositories: [shared], actions: [pull]}${ISSUERS}`);
    const names = [
      'group:platform',
      'platform',
      'robot:ci',
      'cert:host',
      'oidc:github:sub',
      'operator',
      'operator:0',
      'system:retention',
      'anonymous',
      'everyone',
      'user:deployer',
      '*',
      '**',
      '__proto__',
    ];
    for (const name of names) {
      expect([name, may(rules, user(name), 'x', 'create'), may(rules, user(name), 'shared')]).toEqual([
        name,
        false,
        true,
      ]);
      expect([name, may(rules, robot(name), 'x', 'push')]).toEqual([name, false]);
      expect([name, may(rules, oidc('github', name), 'x', 'push')]).toEqual([name, false]);
    }
    expect([may(rules, user('deployer'), 'x', 'push'), may(rules, ANONYMOUS, 'shared')]).toEqual([true, false]);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(user, robot, certificate), (name, kind) => {
        fc.pre(!['deployer', 'ci', 'host'].includes(name));
        expect(may(rules, kind(name), 'x', 'push')).toBe(false);
      }),
    );
  });
});

describe('claims', () => {
  const rules = ruleFor("{issuer: github, claims: {owner: '1234', ref: 'refs/{heads/main,tags/v*}'}}");
  const token = (claims: Claims, issuer = 'github') => may(rules, oidc(issuer, 's', claims));

  test('must all be present with matching values', () => {
    expect(token({ owner: '1234', ref: 'refs/heads/main' })).toBe(true);
    expect(token({ owner: '1234', ref: 'refs/tags/v1.2' })).toBe(true);
    expect(token({ owner: '1234', ref: 'refs/heads/main' }, 'gitlab')).toBe(false);
    expect(token({ owner: '1234' })).toBe(false);
    expect(token({ owner: '12345', ref: 'refs/heads/main' })).toBe(false);
    expect(token({ owner: '1234', ref: 'refs/heads/main/x' })).toBe(false);
    expect(token({ owner: '1234', ref: 'refs/heads/main\n' })).toBe(false);
    expect(token({ owner: '1234', ref: 'refs/tags/v1\n' })).toBe(false);
  });

  test('may be numbers, booleans or lists that contain the value, but no objects', () => {
    expect(token({ owner: 1234, ref: 'refs/heads/main' })).toBe(true);
    expect(token({ owner: ['x', '1234'], ref: 'refs/heads/main' })).toBe(true);
    expect(token({ owner: [['1234']], ref: 'refs/heads/main' })).toBe(false);
    expect(token({ owner: { toString: '1234' }, ref: 'refs/heads/main' })).toBe(false);
    expect(token({ owner: null, ref: 'refs/heads/main' })).toBe(false);
    expect(may(ruleFor("{issuer: github, claims: {verified: 'true'}}"), oidc('github', 's', { verified: true }))).toBe(
      true,
    );
  });

  test('are those of the token, not inherited properties of objects', () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty'])
      expect(may(ruleFor(`{issuer: github, claims: {${name}: '**'}}`), oidc('github', 's'))).toBe(false);
  });
});

describe('claims in patterns of repositories', () => {
  const rules = ruleFor(
    '{issuer: github, claims: {owner: me}}',
    `'team/\${name}', 'by/\${name}/**', 'x-\${name}-\${n}'`,
  );
  const token = (name: unknown, to: string) => may(rules, oidc('github', 's', { owner: 'me', name, n: 7 }), to);

  test('are replaced by their values', () => {
    expect(['team/app', 'by/app/a/b', 'x-app-7'].map((to) => token('app', to))).toEqual([true, true, true]);
    expect(['team/other', 'team/app/a', 'by/app', 'x-app-8', 'team'].map((to) => token('app', to))).toEqual(
      Array(5).fill(false),
    );
    expect(token('a.b_c__d--e', 'team/a.b_c__d--e')).toBe(true);
  });

  test('match nothing if the value is not one component of a name', () => {
    for (const value of [
      '*',
      '**',
      'a*',
      '?',
      '[a-z]',
      '{a,b}',
      'a/b',
      '..',
      '.',
      '',
      'a/',
      '/a',
      '../x',
      'A',
      'a b',
      'a\n',
      'a\0',
      `\${name}`,
      'é',
      '-a',
      'a-',
      'a..b',
      ['app'],
      { app: 1 },
      null,
      undefined,
      true,
      'a'.repeat(256),
    ])
      for (const to of ['team/app', 'team/a', 'team/b', 'team/a/b', 'by/app/a', 'by/a/b/c', 'x-a-7', 'team/true'])
        if (value !== true || to !== 'team/true') expect([value, to, token(value, to)]).toEqual([value, to, false]);
  });

  test('never match beyond their place, for any value', () => {
    const parts = fc.array(
      fc.oneof(
        fc.constantFrom('*', '**', '/', '..', '{', '}', ',', '[', ']', '!', '$', '-', '.', 'a', 'app', '\n', '\0'),
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
      { maxLength: 5 },
    );
    const name = fc.stringMatching(/^(?:team|by|x-a-7)(?:\/[a-z0-9]{1,3}){0,3}$/);
    fc.assert(
      fc.property(parts, name, (value, to) => {
        const text = value.join('');
        const allowed = token(text, to);
        const expected = to === `team/${text}` || to.startsWith(`by/${text}/`) || to === `x-${text}-7`;
        expect([text, to, allowed]).toEqual([
          text,
          to,
          expected && parseRepositoryName(text) !== undefined && !text.includes('/'),
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  test('match nothing for an identity without claims', () => {
    const open = ruleFor('everyone', `'team/\${name}'`);
    for (const each of [user('x'), robot('x'), certificate('x'), ANONYMOUS])
      expect(may(open, each, 'team/x')).toBe(false);
    expect(may(open, oidc('gitlab', 's', { name: 'x' }), 'team/x')).toBe(true);
  });
});

describe('actions', () => {
  test('are allowed as written; push includes create, and nothing else includes another', () => {
    const allowedBy = (actions: string) =>
      ACTIONS.filter((action) => may(ruleFor('everyone', 'a', actions), user('x'), 'a', action));
    expect(ACTIONS.map((action) => [action, allowedBy(action)])).toEqual([
      ['pull', ['pull']],
      ['push', ['push', 'create']],
      ['create', ['create']],
      ['delete', ['delete']],
    ]);
    for (const action of REGISTRY_ACTIONS) {
      const rules = parseAccessFile(`rules: [{who: x, actions: [${action}]}]`);
      expect(REGISTRY_ACTIONS.filter((each) => rules.decideRegistry(user('x'), each).kind === 'allowed')).toEqual([
        action,
      ]);
      expect(rules.decideRegistry(user('y'), action).kind).toBe('denied');
      expect(may(rules, user('x'))).toBe(false);
    }
  });
});

describe('a decision', () => {
  const rules = parseAccessFile(`
rules:
  - {who: anonymous, repositories: ['public/**'], actions: [pull]}
  - {who: deployer, repositories: ['team/*'], actions: [pull, create]}
  - {who: {issuer: github, claims: {owner: me, ref: main}}, repositories: ['team/*'], actions: [push]}
  - {who: [deployer], repositories: ['team/*'], actions: [pull, push]}
  - {who: metrics, actions: [metrics]}
${ISSUERS}`);

  test('names the first rule that allows', () => {
    expect(rules.decide(user('deployer'), 'pull', repo('public/a'))).toEqual({ kind: 'allowed', rule: 1, line: 3 });
    expect(rules.decide(user('deployer'), 'create', repo('team/a'))).toEqual({ kind: 'allowed', rule: 2, line: 4 });
    expect(rules.decide(user('deployer'), 'push', repo('team/a'))).toEqual({ kind: 'allowed', rule: 4, line: 6 });
    expect(rules.decideRegistry(user('metrics'), 'metrics')).toEqual({ kind: 'allowed', rule: 5, line: 7 });
  });

  test('names the rule that would need the smallest change', () => {
    const nearest = (identity: RuledIdentity, action: (typeof ACTIONS)[number], name: string) => {
      const decision = rules.decide(identity, action, repo(name));
      return decision.kind === 'denied' ? decision.nearest : decision;
    };
    expect(nearest(ANONYMOUS, 'push', 'public/a')).toEqual({ rule: 1, line: 3, differs: ['actions'], claims: [] });
    expect(nearest(user('deployer'), 'push', 'other')).toEqual({
      rule: 4,
      line: 6,
      differs: ['repositories'],
      claims: [],
    });
    expect(nearest(user('x'), 'push', 'team/a')).toEqual({ rule: 3, line: 5, differs: ['who'], claims: [] });
    expect(nearest(oidc('github', 's', { owner: 'me', ref: 'dev' }), 'push', 'team/a')).toEqual({
      rule: 3,
      line: 5,
      differs: ['who'],
      claims: ['ref'],
    });
    expect(nearest(ANONYMOUS, 'delete', 'other')).toEqual({
      rule: 1,
      line: 3,
      differs: ['repositories', 'actions'],
      claims: [],
    });
    expect(rules.decideRegistry(user('x'), 'metrics')).toEqual({
      kind: 'denied',
      nearest: { rule: 5, line: 7, differs: ['who'], claims: [] },
    });
  });

  test('has no nearest rule if no part of any rule matches', () => {
    const strict = ruleFor('deployer', 'a', 'pull');
    expect(strict.decide(user('x'), 'push', repo('b'))).toEqual({ kind: 'denied', nearest: undefined });
    expect(strict.decideRegistry(user('x'), 'admin')).toEqual({ kind: 'denied', nearest: undefined });
  });
});

test('more rules never allow less', () => {
  const who = fc.constantFrom(
    'anonymous',
    'everyone',
    'x',
    'group:g',
    "'robot:*'",
    "'oidc:github:*'",
    '{issuer: github, claims: {a: b}}',
  );
  const one = fc.record({
    who,
    repositories: fc.constantFrom("'**'", 'a', "'a/*'", "'a/b'"),
    actions: fc.subarray([...ACTIONS, ...REGISTRY_ACTIONS], { minLength: 1 }),
  });
  const identity = fc.constantFrom(
    ANONYMOUS,
    user('x'),
    user('y'),
    robot('x'),
    oidc('github', 's', { a: 'b' }),
    oidc('gitlab', 's'),
  );
  const parse = (rules: readonly { who: string; repositories: string; actions: readonly string[] }[]) =>
    parseAccessFile(
      `groups: {g: [y]}\nrules: [${rules.map((each) => `{who: ${each.who}, repositories: [${each.repositories}], actions: [${each.actions.join(', ')}]}`).join(', ')}]${ISSUERS}`,
    );
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 4 }), one, fc.nat(), identity, (rules, more, place, each) => {
      const few = parse(rules);
      const many = parse(rules.toSpliced(place % (rules.length + 1), 0, more));
      for (const action of ACTIONS)
        for (const name of ['a', 'a/b', 'a/c', 'c'])
          if (may(few, each, name, action)) expect(may(many, each, name, action)).toBe(true);
      for (const action of REGISTRY_ACTIONS)
        if (few.decideRegistry(each, action).kind === 'allowed')
          expect(many.decideRegistry(each, action).kind).toBe('allowed');
      // What is allowed without credentials is also allowed with them.
      for (const action of ACTIONS)
        if (may(few, ANONYMOUS, 'a', action)) expect(may(few, each, 'a', action)).toBe(true);
    }),
    { numRuns: 150 },
  );
}, 300_000);

test('without ACCESS_FILE accounts of HTPASSWD_FILE may do everything, and others, robots included, nothing', () => {
  const all = (each: RuledIdentity) => [
    ...ACTIONS.map((action) => may(accountsMayDoEverything, each, 'a/b', action)),
    ...REGISTRY_ACTIONS.map((action) => accountsMayDoEverything.decideRegistry(each, action).kind === 'allowed'),
  ];
  expect(all(user('x'))).toEqual(Array(7).fill(true));
  for (const each of [ANONYMOUS, robot('x'), certificate('x'), oidc('github', 'x')])
    expect(all(each)).toEqual(Array(7).fill(false));
});
