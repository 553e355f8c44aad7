import type { TrustFiles } from '../access/token-server/trust.ts';
import { type Config, ConfigError } from '../config.ts';
import type { TokenService } from '../http/challenge.ts';

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
