import { KeyProblem } from '../access/oidc/key-problem.ts';
import { loadKeys } from '../access/oidc/load-keys.ts';
import { OidcTokens } from '../access/oidc/oidc-tokens.ts';
import type { AccessRules } from '../access/rules/access-rules.ts';
import type { Issuer } from '../access/rules/issuer.ts';
import { ConfigError } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';

/** For a file system that does not respond. */
const FILE_DEADLINE_MS = 10_000;

/**
 * Checks tokens of the issuers in ACCESS_FILE. Keys are fetched when the first token arrives, so an issuer that is down does not
 * prevent the registry from starting. Key files are checked now.
 * @throws ConfigError if a key file cannot be used
 */
export async function openOidc(rules: () => AccessRules, logger: Logger): Promise<OidcTokens> {
  for (const issuer of rules().issuers) {
    if (issuer.jwks.kind === 'file') await checkKeyFile(issuer);
  }
  return new OidcTokens({ rules, load: loadKeys, now: Date.now, monotonic: () => performance.now(), logger });
}

async function checkKeyFile(issuer: Issuer): Promise<void> {
  try {
    await loadKeys(issuer, AbortSignal.timeout(FILE_DEADLINE_MS));
  } catch (error) {
    if (!(error instanceof KeyProblem)) throw error;
    throw new ConfigError(`ACCESS_FILE has an issuer, ${issuer.name}, whose keys cannot be used: ${error.message}`);
  }
}
