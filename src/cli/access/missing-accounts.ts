import type { AccessRules } from '../../access/rules/access-rules.ts';
import { ConfigError } from '../../config.ts';
import { printable } from '../output.ts';

/** @returns names of the accounts; undefined without HTPASSWD_FILE. @throws ConfigError */
export type ReadAccounts = () => Promise<ReadonlySet<string> | undefined>;

/** The users that rules name, directly or in groups. */
export function usersIn({ rules, groups }: AccessRules): readonly string[] {
  const subjects = [...rules.flatMap(({ who }) => who), ...[...groups.values()].flat()];
  return subjects.flatMap((subject) => (subject.kind === 'user' ? [subject.name] : []));
}

/** Says on standard error which of these users have no account, because a name may be mistyped. That is no fault of the rules. */
export async function noteMissingAccounts(users: readonly string[], readAccounts: ReadAccounts): Promise<void> {
  try {
    const accounts = await readAccounts();
    const missing = accounts === undefined ? [] : users.filter((each) => !accounts.has(each));
    const names = [...new Set(missing)].sort().map(printable);
    if (names.length > 0) console.error(`marina: HTPASSWD_FILE has no account ${names.join(', ')}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`marina: ${error.message}`);
  }
}
