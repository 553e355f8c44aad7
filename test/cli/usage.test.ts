// The messages of commands that are used wrongly, or in the wrong place.
import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePrivateKeys } from '../../src/access/tokens/keys.ts';
import { attempt } from '../support/command.ts';
import { cleanUp, projectRoot, startServer, temporaryFolder } from '../support/server.ts';
import { linesOf, marina, marinaCommand } from './marina.ts';

afterAll(cleanUp);

const VERBS = [
  ['log', 'team/app'],
  ['history', 'team/app', 'v1'],
  ['fsck', '--scrub'],
  ['restore', 'team/app', 'v1'],
];

test('--help lists the commands with examples, and the options of each command', async () => {
  const { code, stdout } = await marina('anywhere', '--help');
  expect(code).toBe(0);
  for (const word of ['log', 'history', 'fsck', 'npm run --silent marina -- ', 'Exit codes'])
    expect(stdout).toContain(word);
  const options = {
    log: ['--follow', '--json', '--from', '--full'],
    history: ['--json'],
    restore: ['--at', '--json'],
    tag: ['--to', '--json'],
    fsck: ['--scrub', '--json'],
  };
  for (const [verb, named] of Object.entries(options)) {
    const help = await marina('anywhere', verb, '--help');
    expect(help.code).toBe(0);
    for (const option of named) expect(help.stdout).toContain(option);
  }
});

test('--version is that of the package', async () => {
  const { version } = await Bun.file(join(projectRoot, 'package.json')).json();
  expect((await marina('anywhere', '--version')).lines).toEqual([version]);
});

test('a missing folder, a file, no store, or a store of another layout: one line, exit 2, nothing created', async () => {
  const folder = temporaryFolder('no-store');
  const missing = join(folder, 'missing');
  writeFileSync(join(folder, 'file'), '');
  mkdirSync(join(folder, 'newer'));
  writeFileSync(join(folder, 'newer', 'format'), '{"layout":2,"store":"01J00000000000000000000000"}');
  const cases = {
    [missing]: 'does not exist',
    [join(folder, 'file')]: 'is no folder',
    [folder]: 'is no data folder of Marina',
    [join(folder, 'newer')]: 'layout 2',
  };
  for (const [path, message] of Object.entries(cases)) {
    for (const verb of VERBS) expectOneLine(await marina(path, ...verb), message);
  }
  expect(existsSync(missing)).toBeFalse();
  expect(existsSync(join(folder, 'tmp'))).toBeFalse();
});

test('wrong arguments, names, numbers and settings: one line, exit 2', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('usage') });
  await server.stop();
  const cases: [args: string[], message: string][] = [
    [['bogus'], "unknown command 'bogus'"],
    [['fsck', '--bogus'], "unknown option '--bogus'"],
    [['log'], 'name a repository, or use --all'],
    [['backup'], "missing required argument 'place'"],
    [['backup', 'restore', 'place'], "required option '--to <store>' not specified"],
    [['backup', 'verify', 'place', '--bogus'], "unknown option '--bogus'"],
    [['history', 'team/app'], "missing required argument 'tag'"],
    [['log', 'a', 'b'], 'too many arguments'],
    [['log', 'team/app', '--from', '0'], 'slot number'],
    [['log', 'team/app', '--since', 'now'], '--since is for the changes of all repositories: use --all, too'],
    [['log', 'team/app', '--type', 'tag.set'], '--type is for the changes of all repositories'],
    [['log', 'team/app', '--repo', '**'], '--repo is for the changes of all repositories'],
    [['log', '--all', '--from', '1'], '--from is for one repository: name it, or use --since'],
    [['log', 'Team/App'], '"Team/App" is not a valid repository name'],
    [['fsck', '../../etc'], 'is not a valid repository name'],
    [['history', 'team/app', '-'], 'is not a valid tag'],
  ];
  for (const [args, message] of cases) expectOneLine(await marina(server.dataPath, ...args), message);
  for (const [env, message] of [
    [{ STORAGE_DRIVER: 's3' }, 'S3_BUCKET is not set'],
    [{ STORAGE_DRIVER: 'tape' }, 'STORAGE_DRIVER=tape cannot be used'],
  ] as const) {
    const { code, stdout, stderr } = await attempt([...marinaCommand, 'fsck'], { env });
    expectOneLine({ code, stdout: new TextDecoder().decode(stdout), stderr }, message);
  }
});

test('token-key prints another private key each time, without a store', async () => {
  const keys = [await marina('anywhere', 'token-key'), await marina('anywhere', 'token-key')].map(
    ({ code, stdout }) => {
      expect(code).toBe(0);
      expect(parsePrivateKeys(stdout)).toMatchObject([{ algorithm: 'ES256' }]);
      return stdout;
    },
  );
  expect(new Set(keys).size).toBe(2);
});

test('an empty store has no faults', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('empty') });
  await server.stop();
  expect(await marina(server.dataPath, 'fsck')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('no faults; 0 repositories'),
  });
});

function expectOneLine(ended: { code: number; stdout: string; stderr: string }, message: string): void {
  expect(ended.stderr).toContain(message);
  expect({ code: ended.code, stdout: ended.stdout, lines: linesOf(ended.stderr).length }).toEqual({
    code: 2,
    stdout: '',
    lines: 1,
  });
}
