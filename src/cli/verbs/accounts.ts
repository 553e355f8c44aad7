import type { Command } from 'commander';
import { readAccessRules } from '../../wiring/access-rules.ts';
import { readAccounts } from '../../wiring/passwords.ts';
import { changeRobot } from '../../wiring/robots.ts';
import { addAccessCommands } from '../access/commands.ts';
import { addRobotCommands } from '../robot.ts';
import { printTokenKey } from '../token-key.ts';
import { addUserCommands } from '../user.ts';
import { report, run, runWithConfig } from './run.ts';

/** Adds the verbs about who may do what. */
export function addVerbs(marina: Command): void {
  addUserCommands(marina, runWithConfig);
  addRobotCommands(marina, { run, change: changeRobot });
  addAccessCommands(marina, { run: runWithConfig, readRules: readAccessRules, readAccounts });
  marina
    .command('token-key')
    .description('print a new private key for TOKEN_KEY_FILE')
    .action(() => report((output) => printTokenKey(output)));
}
