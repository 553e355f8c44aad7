import { readClientSecret } from '../access/oidc/client-secret.ts';
import { IssuerProblem } from '../access/oidc/issuer-problem.ts';
import { Keyring, type KeyService, RemoteKeys } from '../access/oidc/keyring.ts';
import { loadKeys } from '../access/oidc/load-keys.ts';
import { OidcTokens, type OidcTokensPorts } from '../access/oidc/oidc-tokens.ts';
import type { AccessRules } from '../access/rules/access-rules.ts';
import type { Issuer, WebClient } from '../access/rules/issuer.ts';
import { ConfigError } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread } from '../threads/thread.ts';

/** For a file system that does not respond. */
const FILE_DEADLINE_MS = 10_000;

/**
 * Checks tokens of the issuers in ACCESS_FILE. Keys are fetched when the first token arrives, so an issuer that is down does not
 * prevent the registry from starting. Files of keys and secrets are checked now.
 * @throws ConfigError if one of them cannot be used
 */
export async function openOidc(rules: () => AccessRules, keysOf: OidcTokensPorts['keysOf']): Promise<OidcTokens> {
  for (const issuer of rules().issuers) {
    if (issuer.jwks.kind === 'file') await checkKeyFile(issuer);
    if (issuer.web !== undefined) await checkSecretFile(issuer.name, issuer.web);
  }
  return new OidcTokens({ rules, keysOf, now: Date.now });
}

/** The keys of issuers, which the owner thread loads for all threads of this process. */
export function openKeys(thread: Thread, logger: Logger): OidcTokensPorts['keysOf'] {
  if (thread.kind === 'other') {
    const service = remote<KeyService>(thread.services.keys, ['current', 'newest']);
    return (issuer) => new RemoteKeys(issuer, service);
  }
  const keyring = new Keyring({ load: loadKeys, monotonic: () => performance.now(), logger });
  const others = thread.kind === 'owner' ? thread.others : [];
  for (const { services } of others) offer<KeyService>(services.keys, keyring.service);
  return (issuer) => keyring.of(issuer);
}

async function checkKeyFile(issuer: Issuer): Promise<void> {
  try {
    await loadKeys(issuer, AbortSignal.timeout(FILE_DEADLINE_MS));
  } catch (error) {
    if (!(error instanceof IssuerProblem)) throw error;
    throw new ConfigError(`ACCESS_FILE has an issuer, ${issuer.name}, whose keys cannot be used: ${error.message}`);
  }
}

async function checkSecretFile(name: string, client: WebClient): Promise<void> {
  try {
    await readClientSecret(client);
  } catch (error) {
    if (!(error instanceof IssuerProblem)) throw error;
    throw new ConfigError(
      `ACCESS_FILE has an issuer, ${name}, whose clientSecretFile cannot be used: ${error.message}`,
    );
  }
}
