import { ServerTokens } from '../access/token-server/server-tokens.ts';
import { Trust, type TrustFiles } from '../access/token-server/trust.ts';
import { type Config, ConfigError } from '../config.ts';
import type { TokenService } from '../http/challenge.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { openConfigFile } from './config-files.ts';
import type { OpenedTokens } from './tokens.ts';

/** The AUTH_TOKEN settings. */
export interface TokenServerSettings extends TokenService {
  readonly issuer: string;
  /** The files with its keys, by the settings that name them; at least one. */
  readonly files: TrustFiles;
}

/**
 * @returns undefined if there is no token server
 * @throws ConfigError if only some of its settings are set
 */
export function tokenServerOf(config: Config): TokenServerSettings | undefined {
  const { authTokenRealm: realm, authTokenService: service, authTokenIssuer: issuer } = config;
  const { authTokenJwksFile: jwks, authTokenRootCertBundle: bundle } = config;
  const files = {
    ...(jwks === undefined ? {} : { AUTH_TOKEN_JWKS_FILE: jwks }),
    ...(bundle === undefined ? {} : { AUTH_TOKEN_ROOTCERTBUNDLE: bundle }),
  };
  const hasFile = jwks !== undefined || bundle !== undefined;
  if (!hasFile && [realm, service, issuer].every((each) => each === undefined)) return undefined;
  if (realm === undefined || service === undefined || issuer === undefined || !hasFile) {
    const missing = [
      ...(realm === undefined ? ['AUTH_TOKEN_REALM'] : []),
      ...(service === undefined ? ['AUTH_TOKEN_SERVICE'] : []),
      ...(issuer === undefined ? ['AUTH_TOKEN_ISSUER'] : []),
      ...(hasFile ? [] : ['AUTH_TOKEN_JWKS_FILE or AUTH_TOKEN_ROOTCERTBUNDLE']),
    ];
    throw new ConfigError(`there is no ${missing.join(' and no ')}: the settings of a token server belong together`);
  }
  return { realm, service, issuer, files };
}

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
