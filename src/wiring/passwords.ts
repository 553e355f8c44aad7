import { availableParallelism } from 'node:os';
import type { BasicAuthenticator } from '../access/authenticator.ts';
import type { GuessingLimiter } from '../access/guessing.ts';
import { parseHtpasswd } from '../access/passwords/htpasswd.ts';
import { PasswordChecks } from '../access/passwords/password-checks.ts';
import { Passwords } from '../access/passwords/passwords.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { openConfigFile } from './config-files.ts';

/** Each thread may use the memory that a hash of HTPASSWD_FILE requires, up to 256 MiB. */
const MAX_THREADS = 4;

export interface OpenPasswords {
  readonly authenticator: BasicAuthenticator;
  /** A text that changes with the account's password; undefined if there is no such account. */
  readonly versionOf: (account: string) => string | undefined;
  readonly close: () => void;
}

interface Ports {
  readonly limiter: GuessingLimiter;
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
  { limiter, logger, telemetry }: Ports,
): Promise<OpenPasswords | undefined> {
  if (htpasswdFile === undefined) return undefined;
  const file = await openConfigFile({
    paths: { HTPASSWD_FILE: htpasswdFile },
    creation: 'create an account with "marina user add NAME"',
    parse: ({ HTPASSWD_FILE: text }) => parseHtpasswd(text),
    onChange: (accounts) => passwords.replace(accounts),
    logger,
    telemetry,
  });
  // At most half of the processors, so that the serving thread always gets one.
  const threads = Math.min(MAX_THREADS, Math.max(1, Math.floor(availableParallelism() / 2)));
  const checks = new PasswordChecks(threads);
  const count = telemetry.passwords.counter();
  const now = (): number => performance.now();
  const passwords = new Passwords(file.value, { checks, limiter, now, observe: count });
  logger.info({ accounts: file.value.size }, 'accounts were read from HTPASSWD_FILE');
  return {
    authenticator: passwords,
    versionOf: (account) => passwords.versionOf(account),
    close: () => {
      file.close();
      checks.close();
    },
  };
}
