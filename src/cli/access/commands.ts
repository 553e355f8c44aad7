import { Argument, type Command } from 'commander';
import type { AccessRules } from '../../access/rules/access-rules.ts';
import { parseIdentity } from '../../access/rules/parse-identity.ts';
import { ALL_ACTIONS, type AnyAction } from '../../access/rules/rule.ts';
import type { RuledIdentity } from '../../access/rules/subject.ts';
import { type Config, ConfigError } from '../../config.ts';
import { RegistryError } from '../../oci/errors.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import { requireRepository } from '../open-store.ts';
import type { Output } from '../output.ts';
import { describeRules } from './check.ts';
import { explain } from './explain.ts';
import { noteMissingAccounts, usersIn } from './missing-accounts.ts';

interface AccessPorts {
  readonly run: (work: (output: Output, config: Config) => Promise<ExitCode>) => Promise<void>;
  /** undefined if access is not restricted. @throws ConfigError */
  readonly readRules: (config: Config) => Promise<AccessRules | undefined>;
  /** undefined without HTPASSWD_FILE. @throws ConfigError */
  readonly readAccounts: (config: Config) => Promise<ReadonlySet<string> | undefined>;
}

/** Adds `access` with its verbs. They read only the files that the settings name. */
export function addAccessCommands(marina: Command, { run, readRules, readAccounts }: AccessPorts): void {
  const access = marina
    .command('access')
    .description('show who may do what under ACCESS_FILE; no server is needed')
    .helpCommand(false);
  access
    .command('explain')
    .description('name the rule that allows an action, or the nearest rule; exit code 1 if it is denied')
    .argument('<who>', 'anonymous, a user name, robot:<name>, cert:<CN> or oidc:<issuer>:<subject>')
    .argument('<repo>', 'name of the repository; it need not exist')
    .addArgument(new Argument('[action]', 'action to explain; all actions if left out').choices(ALL_ACTIONS))
    .option(
      '--claim <name=value>',
      'a claim of an OIDC identity; can be repeated, with the same name for a list',
      gather,
      [],
    )
    .option('--json', 'print one JSON object per action')
    .action((who: string, repo: string, action: AnyAction | undefined, options: ExplainOptions) =>
      run(async (output, config) => {
        const rules = await readRules(config);
        if (rules === undefined) throw new CommandError(EXIT.failed, OPEN);
        const identity = identityOf(who, options, rules);
        if (identity.kind === 'user') await noteMissingAccounts([identity.name], () => readAccounts(config));
        const question = { identity, repo: requireRepository(repo), action, rules };
        return await explain({ ...question, path: config.accessFile, json: options.json === true }, output);
      }),
    );
  access
    .command('check')
    .description('validate ACCESS_FILE, and say in a sentence what each rule allows; exit code 1 if it cannot be used')
    .option('--json', 'print one JSON object per rule, and one for the summary')
    .action((options: { readonly json?: true }) =>
      run(async (output, config) => {
        const { accessFile } = config;
        if (accessFile === undefined) throw new ConfigError('ACCESS_FILE is not set: it names the file with the rules');
        const rules = await readRules(config).catch((error: unknown) => {
          throw error instanceof ConfigError ? new CommandError(EXIT.negative, error.message) : error;
        });
        if (rules === undefined) throw new CommandError(EXIT.failed, OPEN);
        await noteMissingAccounts(usersIn(rules), () => readAccounts(config));
        return await describeRules(rules, accessFile, options.json === true, output);
      }),
    );
}

/** A text that is no identity is a command that cannot run, not a negative answer. */
function identityOf(who: string, { claim }: ExplainOptions, { issuers }: AccessRules): RuledIdentity {
  try {
    return parseIdentity(who, claim, issuers);
  } catch (error) {
    throw error instanceof RegistryError ? new CommandError(EXIT.failed, error.message) : error;
  }
}

const OPEN = 'neither ACCESS_FILE nor HTPASSWD_FILE is set: without them everyone may do everything';

interface ExplainOptions {
  readonly claim: readonly string[];
  readonly json?: true;
}

function gather(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
