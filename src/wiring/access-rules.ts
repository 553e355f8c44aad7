import { parseAccessFile } from '../access/rules/access-file.ts';
import { type AccessRules, accountsMayDoEverything } from '../access/rules/access-rules.ts';
import { type Config, ConfigError } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { openConfigFile, readConfigFile } from './config-files.ts';

type RuleSettings = Pick<Config, 'accessFile' | 'htpasswdFile' | 'authTokenRealm'>;

const parse = ({ ACCESS_FILE: text }: { readonly ACCESS_FILE: string }): AccessRules => parseAccessFile(text);

export interface RulePorts {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Called with the first version of ACCESS_FILE, and with each new one. */
  readonly onRules: (rules: AccessRules) => void;
}

export interface OpenedRules {
  /** The current rules. */
  readonly current: () => AccessRules;
  /** SHA-256 of the ACCESS_FILE that they are from, in hex. */
  readonly hash: () => string | undefined;
  readonly close: () => void;
}

/**
 * The rules of ACCESS_FILE, read again when it changes.
 * @returns undefined if access is not restricted
 * @throws ConfigError in one line, with the place in the file
 */
export async function openAccessRules(
  { accessFile, htpasswdFile }: RuleSettings,
  ports: RulePorts,
): Promise<OpenedRules | undefined> {
  if (accessFile !== undefined) {
    const { onRules, logger, telemetry } = ports;
    const paths = { ACCESS_FILE: accessFile };
    const file = await openConfigFile({ paths, parse, logger, telemetry, onChange: onRules });
    onRules(file.value);
    const { rules, groups, issuers, quotas } = file.value;
    const counts = { rules: rules.length, groups: groups.size, issuers: issuers.length, quotas: quotas.length };
    ports.logger.info(counts, 'rules were read from ACCESS_FILE');
    return { current: () => file.value, hash: () => file.hashes.ACCESS_FILE, close: () => file.close() };
  }
  if (htpasswdFile === undefined) return undefined;
  ports.logger.info('there is no ACCESS_FILE: every account of HTPASSWD_FILE may do everything');
  return { current: () => accountsMayDoEverything, hash: () => undefined, close: () => {} };
}

/**
 * The rules with which a server with these settings would start.
 * @returns undefined if access is not restricted
 * @throws ConfigError in one line, with the place in the file
 */
export async function readAccessRules(settings: RuleSettings): Promise<AccessRules | undefined> {
  const { accessFile, htpasswdFile, authTokenRealm } = settings;
  if (accessFile === undefined) {
    if (htpasswdFile !== undefined) return accountsMayDoEverything;
    if (authTokenRealm === undefined) return undefined;
    throw new ConfigError('there are no rules: the token server that AUTH_TOKEN_REALM names decides');
  }
  return await readConfigFile({ paths: { ACCESS_FILE: accessFile }, parse });
}
