import type { BasicAuthenticator } from '../access/authenticator.ts';
import { type Account, parseHtpasswd } from '../access/passwords/htpasswd.ts';
import { Passwords } from '../access/passwords/passwords.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { openConfigFile, readConfigFile } from './config-files.ts';
import type { OpenedJudge } from './judge.ts';

const CREATION = 'create an account with "marina user add NAME"';

const parse = ({ HTPASSWD_FILE: text }: { readonly HTPASSWD_FILE: string }): ReadonlyMap<string, Account> =>
  parseHtpasswd(text);

export interface OpenPasswords {
  readonly authenticator: BasicAuthenticator;
  /** A text that changes with the account's password; undefined if there is no such account. */
  readonly versionOf: (account: string) => string | undefined;
  /** Names of the accounts. */
  readonly accounts: () => Iterable<string>;
  readonly close: () => void;
}

/**
 * The names of the accounts with which a server with these settings would start.
 * @returns undefined without HTPASSWD_FILE
 * @throws ConfigError in one line
 */
export async function readAccounts({ htpasswdFile }: Config): Promise<ReadonlySet<string> | undefined> {
  if (htpasswdFile === undefined) return undefined;
  return new Set((await readConfigFile({ paths: { HTPASSWD_FILE: htpasswdFile }, creation: CREATION, parse })).keys());
}

interface Ports {
  readonly judge: Pick<OpenedJudge, 'judge' | 'forget'>;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/**
 * The accounts of HTPASSWD_FILE, read again when it changes.
 * @returns undefined if that is not set
 * @throws ConfigError in one line
 */
export async function openPasswords(
  { htpasswdFile }: Config,
  { judge, logger, telemetry }: Ports,
): Promise<OpenPasswords | undefined> {
  if (htpasswdFile === undefined) return undefined;
  const file = await openConfigFile({
    paths: { HTPASSWD_FILE: htpasswdFile },
    creation: CREATION,
    parse,
    onChange: (accounts) => {
      passwords.replace(accounts);
      judge.forget();
    },
    logger,
    telemetry,
  });
  const observe = telemetry.passwords.counter();
  const passwords = new Passwords(file.value, { judge: judge.judge, now: () => performance.now(), observe });
  logger.info({ accounts: file.value.size }, 'accounts were read from HTPASSWD_FILE');
  return {
    authenticator: passwords,
    versionOf: (account) => passwords.versionOf(account),
    accounts: () => file.value.keys(),
    close: () => file.close(),
  };
}
