import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { HtpasswdError, parseHtpasswd, problemOfName } from '../access/passwords/htpasswd.ts';
import { hasAccount, withAccount, withoutAccount } from '../access/passwords/htpasswd-edit.ts';
import { hashNewPassword, problemOfPassword } from '../access/passwords/new-password.ts';
import { describeHash } from '../access/passwords/password-hash.ts';
import { type Config, ConfigError } from '../config.ts';
import { editFile, FileBusy } from '../system/edited-file.ts';
import { codeOf } from '../system/error-code.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { type Output, printable } from './output.ts';
import { type PasswordSource, readNewPassword } from './password-prompt.ts';

interface HashOptions extends PasswordSource {
  readonly bcrypt?: true;
}

type Run = (work: (output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;

/** Adds `user` with its verbs, which edit HTPASSWD_FILE. Running servers read the file again. */
export function addUserCommands(marina: Command, run: Run): void {
  const user = marina
    .command('user')
    .description('manage the accounts of HTPASSWD_FILE; running servers read the file again within seconds')
    .helpCommand(false);
  const withPassword = (name: string, description: string): Command =>
    user
      .command(name)
      .description(description)
      .argument('<name>', 'name of the account')
      .option('--password-stdin', 'read the password from standard input instead of prompting for it')
      .option('--bcrypt', 'hash the password with bcrypt, which registry:2 can read too, instead of argon2id');
  withPassword('add', 'add an account; create the file if it is missing').action((name: string, options: HashOptions) =>
    run((output, config) => addAccount(pathOf(config), name, options, output)),
  );
  withPassword('passwd', 'set the password of an account').action((name: string, options: HashOptions) =>
    run((output, config) => setPassword(pathOf(config), name, options, output)),
  );
  user
    .command('remove')
    .description('remove an account')
    .argument('<name>', 'name of the account')
    .action((name: string) => run((output, config) => removeAccount(pathOf(config), name, output)));
  user
    .command('list')
    .description('list the accounts and how their passwords are hashed')
    .option('--json', 'print one JSON object per account')
    .action((options: ListOptions) => run((output, config) => listAccounts(pathOf(config), options, output)));
}

function pathOf({ htpasswdFile }: Config): string {
  if (htpasswdFile === undefined)
    throw new ConfigError('HTPASSWD_FILE is not set: it names the file with the accounts');
  return htpasswdFile;
}

async function addAccount(path: string, name: string, options: HashOptions, output: Output): Promise<ExitCode> {
  const problem = problemOfName(name);
  if (problem !== undefined) throw new CommandError(EXIT.failed, `the name ${problem}`);
  const hash = await newHash(options);
  const taken = await edit(path, true, (text) => (hasAccount(text, name) ? undefined : withAccount(text, name, hash)));
  if (taken === undefined)
    throw new CommandError(EXIT.negative, `${printable(name)} exists: to change its password, run: user passwd`);
  return await written(path, taken, `added ${printable(name)}`, output);
}

async function setPassword(path: string, name: string, options: HashOptions, output: Output): Promise<ExitCode> {
  // Checked before the password is typed.
  if (!hasAccount(read(path), name)) throw missing(name);
  const hash = await newHash(options);
  const text = await edit(path, false, (old) => (hasAccount(old, name) ? withAccount(old, name, hash) : undefined));
  if (text === undefined) throw missing(name);
  return await written(path, text, `changed the password of ${printable(name)}`, output);
}

async function removeAccount(path: string, name: string, output: Output): Promise<ExitCode> {
  const text = await edit(path, false, (old) => withoutAccount(old, name));
  if (text === undefined) throw missing(name);
  return await written(path, text, `removed ${printable(name)}`, output);
}

interface ListOptions {
  readonly json?: true;
}

async function listAccounts(path: string, options: ListOptions, output: Output): Promise<ExitCode> {
  let accounts: ReturnType<typeof parseHtpasswd>;
  try {
    accounts = parseHtpasswd(read(path));
  } catch (error) {
    if (error instanceof HtpasswdError) throw new CommandError(EXIT.negative, `${path}: ${error.message}`);
    throw error;
  }
  for (const { name, hash } of accounts.values()) {
    if (options.json === true) await output.json({ name, hash: describeHash(hash) });
    else await output.line(`${printable(name)}  ${output.styled('dim', describeHash(hash))}`);
  }
  return EXIT.ok;
}

async function newHash(options: HashOptions): Promise<string> {
  const kind = options.bcrypt === true ? 'bcrypt' : 'argon2id';
  const password = await readNewPassword(options);
  const problem = problemOfPassword(password, kind);
  if (problem !== undefined) throw new CommandError(EXIT.failed, problem);
  return await hashNewPassword(password, kind);
}

function missing(name: string): CommandError {
  return new CommandError(EXIT.negative, `${printable(name)} does not exist`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw explained(error, path);
  }
}

/** @returns the new text; undefined if `change` returned none and the file is unchanged */
async function edit(
  path: string,
  create: boolean,
  change: (text: string) => string | undefined,
): Promise<string | undefined> {
  let text: string | undefined;
  try {
    await editFile(path, { create }, (old) => {
      // Invalid UTF-8 would be written back as other bytes.
      if (old.includes('\ufffd')) throw new CommandError(EXIT.failed, `${path} is not UTF-8 text`);
      text = change(old);
      return text;
    });
  } catch (error) {
    throw explained(error, path);
  }
  return text;
}

function explained(error: unknown, path: string): unknown {
  if (error instanceof FileBusy) return new CommandError(EXIT.failed, error.message);
  switch (codeOf(error)) {
    case 'ENOENT':
      return new CommandError(EXIT.failed, `the file or its folder does not exist: HTPASSWD_FILE=${path}`);
    case 'EACCES':
    case 'EPERM':
      return new CommandError(EXIT.failed, `${path} cannot be changed by this user: run the command as its owner`);
    case 'EBUSY':
      return new CommandError(
        EXIT.failed,
        `${path} is mounted as a single file, which cannot be replaced: mount its folder`,
      );
    default:
      return error;
  }
}

/** Reports success. Other lines of the file may be unusable, such as hashes that only another registry accepts; that is a warning. */
async function written(path: string, text: string, done: string, output: Output): Promise<ExitCode> {
  await output.line(done);
  try {
    parseHtpasswd(text);
  } catch (error) {
    if (!(error instanceof HtpasswdError)) throw error;
    console.error(`marina: the registry will refuse ${path}: ${error.message}`);
  }
  return EXIT.ok;
}
