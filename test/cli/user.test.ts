// `marina user` as an operator runs it: on a terminal, in scripts, and concurrently.
import { afterAll, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { cleanUp, temporaryFolder } from '../support/server.ts';
import { linesOf, marinaCommand } from './marina.ts';

afterAll(cleanUp);

const APR1 = 'old:$apr1$vYZQGGWk$GwzWyVF8tm6ZPgJ1Jcc2U.';

function newFile(): string {
  return join(temporaryFolder('accounts'), 'htpasswd');
}

async function user(file: string, args: readonly string[], input?: string) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, 'user', ...args], {
    env: { HTPASSWD_FILE: file },
    ...(input === undefined ? {} : { input }),
  });
  return { code, stdout: new TextDecoder().decode(stdout), stderr };
}

/** The hash in the file of this account. */
function hashIn(file: string, name: string): string {
  const line = linesOf(readFileSync(file, 'utf8')).find((each) => each.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`${file} has no line of ${name}`);
  return line.slice(name.length + 1);
}

test('an account is added, gets a new password, is listed, and is removed', async () => {
  const file = newFile();
  expect(await user(file, ['add', 'alice', '--password-stdin'], 'correct horse\n')).toEqual({
    code: 0,
    stdout: 'added alice\n',
    stderr: '',
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(hashIn(file, 'alice')).toStartWith('$argon2id$v=19$m=19456,t=2,p=1$');
  expect(await Bun.password.verify('correct horse', hashIn(file, 'alice'))).toBeTrue();

  expect((await user(file, ['add', 'bob', '--password-stdin', '--bcrypt'], 'battery staple')).code).toBe(0);
  expect(hashIn(file, 'bob')).toStartWith('$2b$10$');

  const again = await user(file, ['add', 'bob', '--password-stdin'], 'other password');
  expect(again).toMatchObject({ code: 1, stderr: 'marina: bob exists: to change its password, run: user passwd\n' });
  expect(await Bun.password.verify('battery staple', hashIn(file, 'bob'))).toBeTrue();

  expect((await user(file, ['passwd', 'bob', '--password-stdin'], 'other password')).stdout).toBe(
    'changed the password of bob\n',
  );
  expect(await Bun.password.verify('other password', hashIn(file, 'bob'))).toBeTrue();

  expect((await user(file, ['list'])).stdout).toBe(
    'alice  argon2id, m=19456, t=2, p=1\nbob  argon2id, m=19456, t=2, p=1\n',
  );
  expect((await user(file, ['list', '--json'])).stdout).toStartWith('{"name":"alice","hash":"argon2id, m=19456');
  expect((await user(file, ['remove', 'alice'])).stdout).toBe('removed alice\n');
  expect(await user(file, ['remove', 'alice'])).toMatchObject({ code: 1, stderr: 'marina: alice does not exist\n' });
  expect(await user(file, ['passwd', 'alice', '--password-stdin'], 'x')).toMatchObject({ code: 1 });
  expect((await user(file, ['list'])).stdout).toStartWith('bob ');
  expect(readdirSync(join(file, '..'))).toEqual(['htpasswd']);
});

describe('a password is refused, and nothing is written,', () => {
  test.each([
    ['if it is empty', [], '\n', 'is empty'],
    ['if it is short', [], 'short12', 'has 7 characters; the minimum is 8'],
    ['if it has several lines', [], 'correct\nhorse\n', 'control characters'],
    ['if bcrypt would ignore its end', ['--bcrypt'], 'x'.repeat(73), 'has 73 bytes, of which bcrypt uses only 72'],
    ['if it is as long as a file', [], 'x'.repeat(100_000), 'is longer than 4096'],
  ])('%s', async (_, options, input, message) => {
    const file = newFile();
    const ended = await user(file, ['add', 'alice', '--password-stdin', ...options], input);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain(message);
    expect(linesOf(ended.stderr)).toHaveLength(1);
    expect(existsSync(file)).toBeFalse();
  });

  test('if there is neither a terminal nor --password-stdin', async () => {
    const ended = await user(newFile(), ['add', 'alice']);
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('use --password-stdin') });
  });
});

test('a name that no client can send, and a missing setting: one line, exit 2', async () => {
  for (const name of ['a:b', '', ' a', 'a\nb', 'robot+ci', '#a']) {
    const ended = await user(newFile(), ['add', '--password-stdin', '--', name], 'correct horse');
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^marina: the name [^\n]+\n$/) });
  }
  const { code, stderr } = await attempt([...marinaCommand, 'user', 'list'], { env: { HTPASSWD_FILE: '' } });
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('HTPASSWD_FILE is not set') });
});

test('mode, comments and a link to the file are kept, and a line that cannot be used is named', async () => {
  const file = newFile();
  writeFileSync(file, `# the team\n${APR1}\n`);
  chmodSync(file, 0o640);
  const link = join(temporaryFolder('link'), 'accounts');
  symlinkSync(file, link);
  const added = await user(link, ['add', 'alice', '--password-stdin'], 'correct horse');
  expect(added.code).toBe(0);
  expect(added.stderr).toContain('line 2: its hash is MD5');
  expect(added.stderr).not.toContain('vYZQ');
  expect(readFileSync(file, 'utf8')).toStartWith(`# the team\n${APR1}\nalice:$argon2id$`);
  expect(lstatSync(link).isSymbolicLink()).toBeTrue();
  expect(statSync(file).mode & 0o777).toBe(0o640);
  expect(await user(link, ['list'])).toMatchObject({ code: 1, stderr: expect.stringContaining('line 2') });
  expect(await user(link, ['passwd', 'old', '--password-stdin'], 'new password')).toMatchObject({
    code: 0,
    stderr: '',
  });
});

test('a file that is not UTF-8 is left unchanged', async () => {
  const file = newFile();
  const bytes = Buffer.from('# caf\xe9\n', 'latin1');
  writeFileSync(file, bytes);
  const ended = await user(file, ['add', 'alice', '--password-stdin'], 'correct horse');
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('is not UTF-8 text') });
  expect(readFileSync(file).equals(bytes)).toBeTrue();
});

test('concurrent edits are not lost', async () => {
  const file = newFile();
  const names = Array.from({ length: 6 }, (_, n) => `user${n}`);
  const ended = await Promise.all(names.map((name) => user(file, ['add', name, '--password-stdin'], 'correct horse')));
  expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(names.map(() => ({ code: 0, stderr: '' })));
  const listed = linesOf((await user(file, ['list'])).stdout).map((line) => line.split(' ')[0]);
  expect(listed.sort()).toEqual(names);
});

describe('on a terminal', () => {
  /** Types each answer once its question is there. @returns everything that the terminal showed */
  async function onTerminal(file: string, args: readonly string[], answers: readonly string[]) {
    let shown = '';
    const ended = Promise.withResolvers<void>();
    const subprocess = Bun.spawn([...marinaCommand, 'user', ...args], {
      env: { ...process.env, HTPASSWD_FILE: file },
      terminal: {
        cols: 120,
        rows: 24,
        data: (_, bytes) => {
          shown += new TextDecoder().decode(bytes);
        },
        exit: () => ended.resolve(),
      },
    });
    const questions = ['New password: ', 'Repeat the password: '];
    for (const [index, answer] of answers.entries()) {
      await eventually(() => expect(shown).toEndWith(questions[index] ?? '?'));
      subprocess.terminal?.write(answer);
    }
    const code = await subprocess.exited;
    // The last output of the process may still be in flight.
    await ended.promise;
    subprocess.terminal?.close();
    return { code, shown };
  }

  test('the password is prompted for twice and never shown', async () => {
    const file = newFile();
    const typed = ['garbage\u0015correct horsf\u007fe\r', 'correct horse\r'];
    const { code, shown } = await onTerminal(file, ['add', 'alice'], typed);
    expect({ code, shown }).toEqual({ code: 0, shown: 'New password: \r\nRepeat the password: \r\nadded alice\r\n' });
    expect(await Bun.password.verify('correct horse', hashIn(file, 'alice'))).toBeTrue();
  });

  test('two different passwords change nothing, and neither does Ctrl-C', async () => {
    const file = newFile();
    const differ = await onTerminal(file, ['add', 'alice'], ['correct horse\r', 'correct house\r']);
    expect(differ).toMatchObject({ code: 2, shown: expect.stringContaining('the two passwords differ') });
    const interrupted = await onTerminal(file, ['add', 'alice'], ['correct\u0003']);
    expect(interrupted).toMatchObject({ code: 2, shown: expect.stringContaining('interrupted: nothing was changed') });
    expect(existsSync(file)).toBeFalse();
  });
});
