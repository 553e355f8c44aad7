// `marina access` as an operator runs it.
import { afterAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../support/command.ts';
import { cleanUp, temporaryFolder } from '../support/server.ts';
import { linesOf, marinaCommand } from './marina.ts';

afterAll(cleanUp);

const FILE = join(temporaryFolder('access'), 'access.yaml');
writeFileSync(
  FILE,
  `groups:
  platform: [deployer, 'oidc:https://idp.example/*:platform-*']
rules:
  - who: anonymous
    repositories: ['public/**']
    actions: [pull]
  - who: [group:platform]
    repositories: ['**']
    actions: [pull, push, delete]
  - who: { issuer: github, claims: { repository_owner_id: '1234', ref: 'refs/heads/main' } }
    repositories: ['team/\${repository_name}']
    actions: [pull, push]
  - who: ['robot:ci-*', 'cert:monitor']
    repositories: [builds]
    actions: [create, catalog, metrics]
issuers:
  - name: github
    issuer: https://token.actions.githubusercontent.com
    audience: registry.example.com
    web: { clientId: marina }
    jwks: discover
quotas:
  - { name: builds, repositories: [builds, 'team/**'], allowed: { tags: 20, bytes: 10GiB } }
`,
);

async function access(args: readonly string[], env: Readonly<Record<string, string>> = { ACCESS_FILE: FILE }) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, 'access', ...args], { env });
  return { code, lines: linesOf(new TextDecoder().decode(stdout)), stderr };
}

describe('access explain', () => {
  test.each([
    [['anonymous', 'public/a', 'pull'], 0, `allowed: pull on public/a for anonymous, by rule 1 (line 4 of ${FILE})`],
    [
      ['anonymous', 'private', 'pull'],
      1,
      `denied: no rule allows pull on private for anonymous; the nearest is rule 1 (line 4 of ${FILE}), but its repositories do not match private`,
    ],
    [
      ['x', 'builds', 'create'],
      1,
      `denied: no rule allows create on builds for user:x; the nearest is rule 2 (line 7 of ${FILE}), but its who does not include user:x`,
    ],
    [['deployer', 'x', 'create'], 0, `allowed: create on x for user:deployer, by rule 2 (line 7 of ${FILE})`],
    [['user:deployer', 'x', 'push'], 0, `allowed: push on x for user:deployer, by rule 2 (line 7 of ${FILE})`],
    [['robot:ci-1', 'builds', 'create'], 0, `allowed: create on builds for robot:ci-1, by rule 4 (line 13 of ${FILE})`],
    [
      ['robot+ci-1', 'builds', 'push'],
      1,
      `denied: no rule allows push on builds for robot:ci-1; the nearest is rule 4 (line 13 of ${FILE}), but its actions do not include push`,
    ],
    [['cert:monitor', 'x', 'metrics'], 0, `allowed: metrics for cert:monitor, by rule 4 (line 13 of ${FILE})`],
    [['cert:other', 'x', 'admin'], 1, 'denied: no rule allows admin for cert:other; no rule comes near'],
    [
      [
        'oidc:github:repo:o/app',
        'team/app',
        'push',
        '--claim',
        'repository_owner_id=1234',
        '--claim',
        'ref=refs/heads/main',
        '--claim',
        'repository_name=app',
      ],
      0,
      `allowed: push on team/app for oidc:github:repo:o/app, by rule 3 (line 10 of ${FILE})`,
    ],
    [
      [
        'oidc:https://token.actions.githubusercontent.com:s',
        'team/app',
        'push',
        '--claim',
        'repository_owner_id=1234',
        '--claim',
        'ref=refs/heads/dev',
        '--claim',
        'repository_name=app',
      ],
      1,
      `denied: no rule allows push on team/app for oidc:github:s; the nearest is rule 3 (line 10 of ${FILE}), but its who asks for other claims (ref)`,
    ],
  ] as const)('%j', async (args, code, line) => {
    const ended = await access(['explain', ...args]);
    expect([ended.code, ended.lines[0], ended.stderr]).toEqual([code, line, '']);
  });

  test('shows every action if none is named, and the groups', async () => {
    const { code, lines } = await access(['explain', 'deployer', 'x']);
    expect(code).toBe(0);
    expect(lines.map((line) => line.split(/\s+/).slice(0, 2))).toEqual([
      ['pull', 'allowed'],
      ['push', 'allowed'],
      ['create', 'allowed'],
      ['delete', 'allowed'],
      ['catalog', 'denied'],
      ['metrics', 'denied'],
      ['admin', 'denied'],
      ['user:deployer', 'is'],
    ]);
    expect(lines.at(-1)).toBe('user:deployer is in platform');
    expect((await access(['explain', 'x', 'private'])).code).toBe(1);
  });

  test('prints JSON', async () => {
    const { code, lines } = await access(['explain', 'anonymous', 'x', 'pull', '--json']);
    expect(code).toBe(1);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        actor: 'anonymous',
        action: 'pull',
        repo: 'x',
        allowed: false,
        nearest: { rule: 1, line: 4, differs: ['repositories'], claims: [] },
      },
    ]);
  });

  test.each([
    [['group:platform', 'x'], 'an identity is expected'],
    [['oidc:other:x', 'x'], 'with the name or the URL of an issuer in ACCESS_FILE'],
    [['x', 'Bad'], 'Bad'],
    [['x', 'x', 'write'], 'Allowed choices are pull, push, create, delete, catalog, metrics, admin'],
    [['x', 'x', '--claim', 'a=b'], 'have claims'],
    [['oidc:github:x', 'x', '--claim', 'a'], 'name=value'],
  ] as const)('cannot run with %j', async (args, message) => {
    const ended = await access(['explain', ...args]);
    expect([ended.code, ended.lines]).toEqual([2, []]);
    expect(ended.stderr).toContain(message);
  });

  test('explains the built-in rule without ACCESS_FILE', async () => {
    const { code, lines } = await access(['explain', 'x', 'a', 'admin'], { HTPASSWD_FILE: '/etc/marina/htpasswd' });
    expect([code, lines]).toEqual([0, ['allowed: admin for user:x, by the rule that every account may do everything']]);
    const open = await access(['explain', 'x', 'a'], {});
    expect([open.code, open.stderr]).toEqual([
      2,
      'marina: neither ACCESS_FILE nor HTPASSWD_FILE is set: without them everyone may do everything\n',
    ]);
  });
});

describe('access check', () => {
  test('says in a sentence what each rule allows', async () => {
    const { code, lines } = await access(['check']);
    expect([code, ...lines]).toEqual([
      0,
      'rule 1 (line 4): everyone, even without credentials, may pull in public/**',
      'rule 2 (line 7): group platform may pull, push and delete in **',
      `rule 3 (line 10): everyone with a token of issuer github with repository_owner_id = 1234 and ref = refs/heads/main may pull and push in team/\${repository_name}`,
      'rule 4 (line 13): robots ci-* and certificate monitor may push new tags in builds; list the repositories that they may pull; read the metrics',
      'group platform: user deployer and subjects platform-* of issuer https://idp.example/* (there is none)',
      'issuer github: tokens of https://token.actions.githubusercontent.com for registry.example.com, with keys that it publishes; people log in at the page by its client marina',
      'quota builds: builds and team/** may use 10.0 GiB and 20 tags together',
      `${FILE} can be used: 4 rules, 1 group, 1 issuer, 1 quota`,
    ]);
    const summary = (await access(['check', '--json'])).lines.at(-1) ?? '';
    expect(JSON.parse(summary)).toEqual({ type: 'summary', file: FILE, rules: 4, groups: 1, issuers: 1, quotas: 1 });
  });

  test('says which users of the rules have no account, without failing', async () => {
    const accounts = join(temporaryFolder('access'), 'htpasswd');
    writeFileSync(accounts, `ann:${Bun.password.hashSync('secret of ann', { algorithm: 'bcrypt', cost: 4 })}\n`);
    const env = { ACCESS_FILE: FILE, HTPASSWD_FILE: accounts };
    const checked = await access(['check'], env);
    expect([checked.code, checked.stderr]).toEqual([0, 'marina: HTPASSWD_FILE has no account deployer\n']);
    const explained = await access(['explain', 'bob', 'a', 'pull'], env);
    expect([explained.code, explained.stderr]).toEqual([1, 'marina: HTPASSWD_FILE has no account bob\n']);
    expect((await access(['explain', 'ann', 'public/a', 'pull'], env)).stderr).toBe('');
    const unreadable = await access(['check'], { ...env, HTPASSWD_FILE: `${accounts}.none` });
    expect([unreadable.code, unreadable.stderr]).toEqual([
      0,
      'marina: HTPASSWD_FILE cannot be used: there is no such file: create an account with "marina user add NAME"\n',
    ]);
  });

  test('refuses a wrong file in one line', async () => {
    const wrong = join(temporaryFolder('access'), 'access.yaml');
    writeFileSync(wrong, 'rules:\n  - who: x\n    actions: [pul]\n');
    const ended = await access(['check'], { ACCESS_FILE: wrong });
    expect([ended.code, ended.lines, ended.stderr]).toEqual([
      1,
      [],
      `marina: ACCESS_FILE=${wrong} cannot be used: line 3, column 15 (rules[0].actions[0]): one of pull, push, create, delete, catalog, metrics, admin is expected\n`,
    ]);
    const missing = await access(['check'], { ACCESS_FILE: join(wrong, '..', 'none') });
    expect([missing.code, missing.stderr.split('\n').length]).toEqual([1, 2]);
    const unset = await access(['check'], {});
    expect([unset.code, unset.stderr]).toEqual([
      2,
      'marina: ACCESS_FILE is not set: it names the file with the rules\n',
    ]);
  });
});
