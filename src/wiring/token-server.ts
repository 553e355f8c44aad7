import { ServerTokens } from '../access/token-server/server-tokens.ts';
import { Trust } from '../access/token-server/trust.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { openConfigFile } from './config-files.ts';
import type { TokenServerSettings } from './token-server-settings.ts';
import type { OpenedTokens } from './tokens.ts';

/** @throws ConfigError if the files cannot be used */
export async function openTokenServer(
  { realm, service, issuer, files }: TokenServerSettings,
  { logger, telemetry }: { readonly logger: Logger; readonly telemetry: Telemetry },
): Promise<OpenedTokens> {
  const file = await openConfigFile<string, Trust>({
    paths: { ...files },
    parse: (texts) => Trust.parse(texts),
    logger,
    telemetry,
  });
  logger.info({ realm, service, issuer }, 'a token server decides who may do what; this registry issues no tokens');
  return {
    authenticator: new ServerTokens({ issuer, service, trust: () => file.value, now: Date.now }),
    endpoint: () => undefined,
    logins: undefined,
    pendingLogins: undefined,
    close: () => file.close(),
  };
}
