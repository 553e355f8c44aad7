import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { RepositoryName } from '../../oci/names.ts';
import { AccessFileError, parseAccessFile } from './access-file.ts';

const repo = (name: string) => name as RepositoryName;

function problemOf(text: string): string {
  try {
    parseAccessFile(text);
  } catch (error) {
    if (error instanceof AccessFileError) return error.message;
    throw error;
  }
  return 'none';
}

/** A rule with all that is needed, so that one thing in it can be wrong. */
const rule = (part: string) => `rules:\n  - who: anonymous\n    repositories: [a]\n    actions: [pull]\n${part}`;
const who = (text: string) => `rules:\n  - who: ${text}\n    repositories: [a]\n    actions: [pull]`;
const issuer = (part: string) =>
  rule(`issuers:\n  - name: idp\n    issuer: https://idp.example\n    audience: registry\n${part}`);

const QUOTA_PROBLEMS: readonly (readonly [text: string, problem: string])[] = [
  [rule('quotas: {a: b}'), 'line 5, column 9 (quotas): a list of quotas is expected'],
  [
    rule('quotas: [{name: a b, repositories: [a], allowed: {tags: 1}}]'),
    'line 5, column 17 (quotas[0].name): a name of 1 to 64 letters, digits and "._-" is expected',
  ],
  [
    rule('quotas: [{name: q, repositories: [A], allowed: {tags: 1}}]'),
    'line 5, column 35 (quotas[0].repositories[0]): "A" is not a pattern for a repository\'s name: only its characters, *, **, ?, [a-z], [^a-z] and {one,other} are allowed',
  ],
  [
    rule('quotas: [{name: q, repositories: [a], allowed: {}}]'),
    'line 5, column 48 (quotas[0].allowed): at least one of bytes, repositories, tags, slots is expected',
  ],
  [
    rule('quotas: [{name: q, repositories: [a], allowed: {layers: 1}}]'),
    'line 5, column 57 (quotas[0].allowed.layers): there is no such key',
  ],
  [
    rule('quotas: [{name: q, repositories: [a], allowed: {bytes: 10 GB}}]'),
    'line 5, column 56 (quotas[0].allowed.bytes): a size like 4096, 512KiB, 64MiB or 1GiB is expected',
  ],
  [
    rule('quotas: [{name: q, repositories: [a], allowed: {tags: -1}}]'),
    'line 5, column 55 (quotas[0].allowed.tags): a number of at least 0 is expected',
  ],
  [
    rule(
      'quotas:\n  - {name: q, repositories: [a], allowed: {tags: 1}}\n  - {name: q, repositories: [b], allowed: {tags: 1}}',
    ),
    'line 7, column 12 (quotas[1].name): an earlier quota has this name too',
  ],
];

test('an issuer may have a client for log-ins at the page, which always asks for openid', () => {
  const web = (text: string) => parseAccessFile(issuer(`    web: ${text}`)).issuers[0]?.web;
  expect(web('{clientId: marina}')).toEqual({ clientId: 'marina', scopes: ['openid'] });
  expect(web('{clientId: a:b, clientSecretFile: /run/secret, scopes: [groups, openid, groups]}')).toEqual({
    clientId: 'a:b',
    clientSecretFile: '/run/secret',
    scopes: ['openid', 'groups'],
  });
});

describe('an access file', () => {
  test('is parsed with everything that it can contain', () => {
    const rules = parseAccessFile(`
groups:
  platform: [deployer, 'oidc:https://idp.example/*:platform-*']
  nobody: []
rules:                                   # what any rule allows is allowed; nothing else is
  - who: anonymous
    repositories: ['public/**']
    actions: [pull]
  - who: [group:platform]
    repositories: ['**']
    actions: [pull, push, delete]
  - who: { issuer: github, claims: { repository_owner_id: '1234', ref: 'refs/heads/main' } }
    repositories: ['team/\${repository_name}']
    actions: [pull, push]
  - who: [everyone, 'robot:ci-*', 'cert:*', 'oidc:github:repo:org/*', {issuer: k8s, claims: {sub: 'system:*'}}]
    actions: [catalog, metrics, admin]
issuers:
  - name: github
    issuer: https://token.actions.githubusercontent.com
    audience: registry.example.com
    jwks: discover
  - { name: k8s, issuer: 'https://10.0.0.1:6443', audience: registry, jwks: /etc/marina/k8s.json }
  - { name: test, issuer: 'http://127.0.0.1:8080', audience: registry, jwks: 'https://keys.example/jwks?v=1' }
  - { name: plain, issuer: 'https://plain.example/', audience: registry }
`);
    expect(rules.rules.map(({ number, line, who }) => [number, line, who.map(({ kind }) => kind)])).toEqual([
      [1, 6, ['anonymous']],
      [2, 9, ['group']],
      [3, 12, ['claims']],
      [4, 15, ['everyone', 'robot', 'certificate', 'oidc', 'claims']],
    ]);
    expect(rules.issuers).toEqual([
      {
        name: 'github',
        issuer: 'https://token.actions.githubusercontent.com',
        audience: 'registry.example.com',
        jwks: { kind: 'discover' },
      },
      {
        name: 'k8s',
        issuer: 'https://10.0.0.1:6443',
        audience: 'registry',
        jwks: { kind: 'file', path: '/etc/marina/k8s.json' },
      },
      {
        name: 'test',
        issuer: 'http://127.0.0.1:8080',
        audience: 'registry',
        jwks: { kind: 'url', url: 'https://keys.example/jwks?v=1' },
      },
      { name: 'plain', issuer: 'https://plain.example/', audience: 'registry', jwks: { kind: 'discover' } },
    ]);
    expect(rules.claimsNeeded('github')).toEqual(['ref', 'repository_name', 'repository_owner_id']);
    expect(rules.claimsNeeded('k8s')).toEqual(['repository_name', 'sub']);
    expect(rules.groupsOf({ kind: 'user', name: 'deployer' })).toEqual(['platform']);
    expect(rules.decide({ kind: 'user', name: 'deployer' }, 'delete', repo('x'))).toEqual({
      kind: 'allowed',
      rule: 2,
      line: 9,
    });
  });

  test('may name an issuer by its name, its URL or a pattern of URLs', () => {
    const file = (named: string) => `${who(`'oidc:${named}:s'`)}
issuers:
  - {name: one, issuer: 'https://idp.example/realms/one', audience: a}
  - {name: two, issuer: 'https://idp.example/realms/two', audience: a}
  - {name: port, issuer: 'https://idp.example:8443', audience: a}`;
    const meant = (named: string) => {
      const subject = parseAccessFile(file(named)).rules[0]?.who[0];
      return subject?.kind === 'oidc' ? [subject.issuers, subject.subjects.text] : subject;
    };
    expect(meant('one')).toEqual([['one'], 's']);
    expect(meant('https://idp.example/realms/two')).toEqual([['two'], 's']);
    expect(meant('https://idp.example/realms/*')).toEqual([['one', 'two'], 's']);
    expect(meant('https://idp.example:8443')).toEqual([['port'], 's']);
    expect(meant('https://idp.example/realms/one:a:b')).toEqual([['one'], 'a:b:s']);
    expect(meant('https://other.example/*')).toEqual([[], 's']);
    expect(problemOf(file('https://other.example/'))).toContain('there is no such issuer');
  });

  test.each([
    ['', 'line 1, column 1: Invalid input: expected object, received null'],
    ['rules: []', 'line 1, column 8 (rules): at least one rule is expected'],
    ['groups: {}', 'line 1, column 1 (rules): a list of rules is expected'],
    [rule('rule: 1'), 'line 5, column 7 (rule): there is no such key'],
    [rule('    role: x'), 'line 5, column 11 (rules[0].role): there is no such key'],
    [
      'rules:\n  - repositories: [a]\n    actions: [pull]',
      'line 2, column 5 (rules[0].who): a name, a list of names or {issuer, claims} is expected',
    ],
    [who('1'), 'line 2, column 10 (rules[0].who): a name, a list of names or {issuer, claims} is expected'],
    [who('[]'), 'line 2, column 10 (rules[0].who): a name, a list of names or {issuer, claims} is expected'],
    [who('[x, [y]]'), 'line 2, column 14 (rules[0].who[1]): a name, a list of names or {issuer, claims} is expected'],
    [who("''"), 'line 2, column 10 (rules[0].who): the text must not be empty'],
    [who('[x, group:none]'), 'line 2, column 14 (rules[0].who[1]): `groups` has no group of this name'],
    [
      who('user:x'),
      'line 2, column 10 (rules[0].who): unknown kind: a user name without ":", or group:, robot:, cert: or oidc: is expected',
    ],
    [who("'dep*'"), 'line 2, column 10 (rules[0].who): the name of one user is expected, not a pattern'],
    [who('"a\\nb"'), 'line 2, column 10 (rules[0].who): a text without control characters is expected'],
    [
      who("'robot:['"),
      'line 2, column 10 (rules[0].who): "[" is not a pattern for a text: only its characters, *, **, ?, [a-z], [^a-z] and {one,other} are allowed',
    ],
    [who("'robot:'"), 'line 2, column 10 (rules[0].who): the text must not be empty'],
    [who('oidc:idp'), 'line 2, column 10 (rules[0].who): oidc:<issuer>:<subject> is expected'],
    [who('oidc:idp:x'), 'line 2, column 10 (rules[0].who): there is no such issuer under `issuers`'],
    [who('{issuer: idp, claims: {a: b}}'), 'line 2, column 10 (rules[0].who): there is no such issuer under `issuers`'],
    [who('{issuer: idp}'), 'line 2, column 10 (rules[0].who.claims): claims are expected, as {name: value}'],
    [
      who('{issuer: idp, claims: {}}'),
      'line 2, column 32 (rules[0].who.claims): at least one claim is expected; for all tokens of the issuer write oidc:<issuer>:**',
    ],
    [
      who('{issuer: idp, claims: {a: 1234}}'),
      'line 2, column 36 (rules[0].who.claims.a): a text is expected; write it in quotes',
    ],
    [
      who('{issuer: idp, claims: {a: [b]}}'),
      'line 2, column 36 (rules[0].who.claims.a): a text is expected; write it in quotes',
    ],
    [
      who('{issuer: idp, claim: {a: b}}'),
      'line 2, column 10 (rules[0].who.claims): claims are expected, as {name: value}',
    ],
    [who('{issuer: idp, claims: {__proto__: b}}'), 'line 2, column 33: there is no such key'],
    ['rules:\n  - who: x\n    actions: [pull]', 'line 2, column 5 (rules[0].repositories): pull needs repositories'],
    [
      'rules:\n  - who: x\n    repositories: []\n    actions: [pull]',
      'line 3, column 19 (rules[0].repositories): at least one pattern is expected',
    ],
    [
      "rules:\n  - who: x\n    repositories: [a, 'B']\n    actions: [pull]",
      'line 3, column 23 (rules[0].repositories[1]): "B" is not a pattern for a repository\'s name: only its characters, *, **, ?, [a-z], [^a-z] and {one,other} are allowed',
    ],
    [
      "rules:\n  - who: x\n    repositories: ['!a']\n    actions: [pull]",
      'line 3, column 20 (rules[0].repositories[0]): a pattern cannot be negated',
    ],
    [
      `rules:\n  - who: everyone\n    repositories: ['\${a b}']\n    actions: [pull]`,
      'line 3, column 20 (rules[0].repositories[0]): the name of a claim is expected in the braces after "$"',
    ],
    [
      `rules:\n  - who: everyone\n    repositories: ['{a,\${b}}']\n    actions: [pull]`,
      'line 3, column 20 (rules[0].repositories[0]): a claim cannot stand within [] or {}',
    ],
    [
      `rules:\n  - who: x\n    repositories: [a, '\${sub}']\n    actions: [pull]`,
      'line 3, column 23 (rules[0].repositories[1]): only identities of an issuer have claims, and `who` names none',
    ],
    [
      'rules:\n  - who: x\n    repositories: [a]\n    actions: []',
      'line 4, column 14 (rules[0].actions): at least one of pull, push, create, delete, catalog, metrics, admin is expected',
    ],
    [
      'rules:\n  - who: x\n    repositories: [a]\n    actions: [pull, write]',
      'line 4, column 21 (rules[0].actions[1]): one of pull, push, create, delete, catalog, metrics, admin is expected',
    ],
    [
      'rules:\n  - who: x\n    repositories: [a]\n    actions: pull',
      'line 4, column 14 (rules[0].actions): a list of actions is expected',
    ],
    [
      `groups: {a: [group:b], b: [x]}\n${rule('')}`,
      'line 1, column 14 (groups.a[0]): a group cannot be in a group: name both in the rule',
    ],
    [
      `groups: {a: [everyone]}\n${rule('')}`,
      'line 1, column 14 (groups.a[0]): everyone cannot be in a group: name it in the rule',
    ],
    [
      `groups: {'a b': [x]}\n${rule('')}`,
      'line 1, column 17 (groups.a b): a name of 1 to 64 letters, digits and "._-" is expected',
    ],
    [`groups: {a: x}\n${rule('')}`, 'line 1, column 13 (groups.a): Invalid input: expected array, received string'],
    [issuer('    key: x'), 'line 9, column 10 (issuers[0].key): there is no such key'],
    [
      issuer('    web: marina'),
      'line 9, column 10 (issuers[0].web): a client is expected, as {clientId, clientSecretFile, scopes}',
    ],
    [
      issuer('    web: {}'),
      'line 9, column 10 (issuers[0].web.clientId): the id of the client at the issuer is expected: a text',
    ],
    [
      issuer('    web: {clientId: a b}'),
      'line 9, column 21 (issuers[0].web.clientId): an id of 1 to 255 printable characters without spaces is expected',
    ],
    [
      issuer('    web: {clientId: a, clientSecret: very-secret}'),
      'line 9, column 38 (issuers[0].web.clientSecret): there is no such key',
    ],
    [
      issuer('    web: {clientId: a, clientSecretFile: secret.txt}'),
      'line 9, column 42 (issuers[0].web.clientSecretFile): an absolute path is expected',
    ],
    [
      issuer('    web: {clientId: a, scopes: [email, a b]}'),
      'line 9, column 40 (issuers[0].web.scopes[1]): a scope is expected: 1 to 100 printable characters without spaces, quotes and backslashes',
    ],
    [
      rule('issuers: [{name: a, issuer: "https://a.example"}]'),
      'line 5, column 11 (issuers[0].audience): the audience of its tokens is expected: a text',
    ],
    [
      rule('issuers: [{name: a b, issuer: "https://a.example", audience: x}]'),
      'line 5, column 18 (issuers[0].name): a name of 1 to 64 letters, digits and "._-" is expected',
    ],
    [
      rule('issuers: [{name: a, issuer: "http://a.example", audience: x}]'),
      'line 5, column 29 (issuers[0].issuer): an https URL without credentials is expected (http to a loopback address only)',
    ],
    [
      rule('issuers: [{name: a, issuer: "https://u:p@a.example", audience: x}]'),
      'line 5, column 29 (issuers[0].issuer): an https URL without credentials is expected (http to a loopback address only)',
    ],
    [
      issuer('    jwks: keys.json'),
      'line 9, column 11 (issuers[0].jwks): discover, an absolute path or a URL is expected; an https URL without credentials is expected (http to a loopback address only)',
    ],
    [
      issuer('    jwks: http://idp.example/keys'),
      'line 9, column 11 (issuers[0].jwks): discover, an absolute path or a URL is expected; an https URL without credentials is expected (http to a loopback address only)',
    ],
    [
      issuer('  - {name: idp, issuer: "https://b.example", audience: x}'),
      'line 9, column 12 (issuers[1].name): an earlier issuer has this name too',
    ],
    ...QUOTA_PROBLEMS,
    [
      issuer('  - {name: b, issuer: "https://idp.example", audience: x}'),
      'line 9, column 23 (issuers[1].issuer): an earlier issuer has this issuer too',
    ],
  ])('that is wrong is refused with its place: %#', (text, expected) => {
    expect(problemOf(text)).toBe(expected);
  });

  test('has quotas', () => {
    const { quotas } = parseAccessFile(
      rule(
        "quotas:\n  - {name: team, repositories: ['team/**', a], allowed: {bytes: 10GiB, tags: 5}}\n  - {name: all, repositories: ['**'], allowed: {bytes: 500, slots: 7, repositories: 0}}",
      ),
    );
    expect(quotas.map(({ name, patterns, allowed }) => [name, patterns, allowed])).toEqual([
      ['team', ['team/**', 'a'], { bytes: 10 * 1024 ** 3, tags: 5 }],
      ['all', ['**'], { bytes: 500, repositories: 0, slots: 7 }],
    ]);
    const matching = (name: string) => quotas.filter(({ matches }) => matches(name)).map((each) => each.name);
    expect([matching('team/a/b'), matching('a'), matching('b')]).toEqual([['team', 'all'], ['team', 'all'], ['all']]);
  });

  test('is accepted or refused in one line, for any text', () => {
    const words = [
      'quotas',
      'allowed',
      'bytes',
      'groups',
      'rules',
      'issuers',
      'who',
      'repositories',
      'actions',
      'issuer',
      'claims',
      'name',
      'audience',
      'jwks',
    ];
    const values = [
      'anonymous',
      'group:a',
      'robot:*',
      'oidc:a:b',
      'pull',
      "'**'",
      `'\${a}'`,
      '1',
      'null',
      'discover',
      'https://a.example',
    ];
    const signs = [
      ': ',
      ':',
      '\n',
      '\n  ',
      '\n    ',
      '- ',
      '\n  - ',
      '{',
      '}',
      '[',
      ']',
      ', ',
      '&a ',
      '*a',
      '|\n',
      '>',
      '!!str ',
      '"',
      "'",
      '#',
      '? ',
      '<<',
      '__proto__',
      '---\n',
    ];
    const yaml = fc.array(
      fc.oneof(
        fc.constantFrom(...words),
        fc.constantFrom(...values),
        fc.constantFrom(...signs),
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
      { maxLength: 40 },
    );
    const oneLine = /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u;
    fc.assert(
      fc.property(yaml, (parts) => expect(problemOf(parts.join(''))).toMatch(oneLine)),
      { numRuns: 300 },
    );
    const json = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(...values.map((each) => each.replaceAll("'", ''))),
        fc.constant(1),
        fc.string({ unit: 'binary', maxLength: 5 }),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 })), tie('node'), { maxKeys: 4 }),
      ),
    })).node;
    fc.assert(
      fc.property(
        fc.record(
          { groups: json, rules: fc.array(fc.record({ who: json, repositories: json, actions: json })), issuers: json },
          { requiredKeys: ['rules'] },
        ),
        (value) => expect(problemOf(JSON.stringify(value))).toMatch(oneLine),
      ),
      { numRuns: 300 },
    );
  }, 300_000);

  test.each([
    '[a] hunter2',
    'hunter2',
    '- hunter2',
    'password: hunter2',
    '{who: hunter2}',
    'hunter2:$2y$05$abc',
    'rules: hunter2',
    'rules: [hunter2]',
    'rules: [{who: hunter2}]',
  ])('that was named by mistake is refused without what is in it: %s', (text) => {
    expect(problemOf(text)).not.toBe('none');
    expect(problemOf(text)).not.toContain('hunter2');
  });
});
