import { hkdfSync } from 'node:crypto';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { Authentication } from '../access/authentication.ts';
import type { BearerAuthenticator } from '../access/authenticator.ts';
import { StoredEndedLogins } from '../access/logins/ended-logins.ts';
import { Logins, type LoginsPorts } from '../access/logins/logins.ts';
import { PendingLogins } from '../access/logins/pending-logins.ts';
import type { ReloadedFile } from '../access/reloaded-file.ts';
import { AccountVersions, type VersionOf } from '../access/tokens/account-versions.ts';
import type { TokenIdentity } from '../access/tokens/claims.ts';
import { KeyRing, makeTokenKey, type PrivateKeys, parsePrivateKeys } from '../access/tokens/keys.ts';
import { OwnTokens } from '../access/tokens/own-tokens.ts';
import { RefreshTokens } from '../access/tokens/refresh-tokens.ts';
import { TokenSigner } from '../access/tokens/signer.ts';
import { TokenIssuer, type TokenIssuerPorts } from '../access/tokens/token-issuer.ts';
import { type Config, ConfigError } from '../config.ts';
import type { TokenPorts } from '../http/context.ts';
import type { PublicAddress } from '../http/public-address.ts';
import { LOGIN_SECONDS, PENDING_LOGIN_SECONDS } from '../http/ui/login-cookie.ts';
import { editFile } from '../system/edited-file.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { openConfigFile } from './config-files.ts';
import type { OpenedStore } from './store.ts';

/** In the data folder of a single process without TOKEN_KEY_FILE. Copies of the store do not include it (docs/operations.md). */
const KEY_FILE = 'token-key.pem';

/** How long a log-in at the page lasts, in milliseconds. */
const LOGIN_MS = LOGIN_SECONDS * 1000;

export type KeyFile = ReloadedFile<'TOKEN_KEY_FILE', PrivateKeys>;

interface FilePorts {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/**
 * Opens TOKEN_KEY_FILE, before the store is opened.
 * @returns undefined if this process keeps a key of its own in its data folder
 * @throws ConfigError if there is no usable key, and no place to create one
 */
export async function openKeyFile(
  { tokenKeyFile, storageDriver, redisUrl }: Config,
  ports: FilePorts,
): Promise<KeyFile | undefined> {
  if (tokenKeyFile !== undefined) return await openKeys(tokenKeyFile, ports);
  if (storageDriver === 'filesystem' && redisUrl === undefined) return undefined;
  throw new ConfigError(
    'TOKEN_KEY_FILE is not set: processes that share a store must sign tokens with the same key. ' +
      'Create one with "marina token-key > token-key.pem", give the file to each of them, and keep it out of the store',
  );
}

export interface TokenWiring extends FilePorts {
  readonly config: Config;
  /** undefined: this process keeps a key of its own in its data folder. */
  readonly keyFile: KeyFile | undefined;
  readonly opened: Pick<OpenedStore, 'store' | 'place' | 'driver'>;
  readonly publicAddress: PublicAddress;
  readonly versionOf: VersionOf;
  readonly issuerUrlOf: LoginsPorts['issuerUrlOf'];
  /** Lifetime of an access token for this identity, in milliseconds. */
  readonly lifetimeOf: (identity: TokenIdentity) => number;
}

export interface OpenedTokens {
  /** Verifies the tokens that clients get. */
  readonly authenticator: BearerAuthenticator;
  /** The token endpoint; undefined if clients get their tokens elsewhere. */
  readonly endpoint: (
    ports: Pick<TokenIssuerPorts, 'policy' | 'claimsNeeded'> & { readonly authentication: Authentication },
  ) => TokenPorts | undefined;
  /** Log-ins at the page; undefined if accounts are kept elsewhere. */
  readonly logins: Logins | undefined;
  /** Log-ins at the page with an issuer that are not finished; undefined as `logins`. */
  readonly pendingLogins: PendingLogins | undefined;
  readonly close: () => void;
}

/** @throws ConfigError if the key in the data folder cannot be used */
export async function openTokens(wiring: TokenWiring): Promise<OpenedTokens> {
  const { config, opened, publicAddress, versionOf, issuerUrlOf, lifetimeOf, logger, telemetry } = wiring;
  const file = wiring.keyFile ?? (await openKeys(await ownKeyFile(opened.place), wiring));
  const keys = new KeyRing(file);
  const signer = new TokenSigner({ keys, issuer: issuerOf(opened.store), now: Date.now, newId: () => ulid() });
  const versions = new AccountVersions(versionOf);
  const isService = (service: string): boolean => publicAddress.isService(service);
  const own = new OwnTokens({ signer, keys, isService, versions, now: Date.now, lifetimeOf });
  const refresh = new RefreshTokens({ signer, versions, lifetime: config.refreshTokenLifetime });
  const ended = new StoredEndedLogins(opened.driver, Date.now);
  return {
    logins: new Logins({ signer, keys, versions, issuerUrlOf, ended, now: Date.now, lifetime: LOGIN_MS }),
    pendingLogins: new PendingLogins(signer, PENDING_LOGIN_SECONDS * 1000),
    authenticator: own,
    endpoint: ({ policy, authentication, claimsNeeded }) => ({
      issuer: new TokenIssuer({ own, refresh, versions, policy, claimsNeeded }),
      basic: (user, password, origin) => authentication.basic(user, password, origin),
      isService,
      onIssued: (token) => {
        telemetry.tokens.issued(token.grant);
        if (token.grant !== 'none') logger.info(token, 'a client logged in and got a token');
      },
      onRefused: (refusal) => {
        telemetry.tokens.refused(refusal.grant);
        logger.warn(refusal, 'credentials were refused');
      },
    }),
    close: () => file.close(),
  };
}

/**
 * The `iss` of all tokens. It identifies the store without revealing its ULID: anyone can get a token and read it, and secrets are
 * derived from the ULID, such as the key of catalog positions (registry/sealed-position.ts).
 */
function issuerOf(store: string): string {
  return `marina:${Buffer.from(hkdfSync('sha256', store, '', 'marina token issuer', 16)).toString('hex')}`;
}

async function openKeys(path: string, { logger, telemetry }: FilePorts): Promise<KeyFile> {
  return await openConfigFile({
    paths: { TOKEN_KEY_FILE: path },
    creation: 'create one with "marina token-key"',
    parse: ({ TOKEN_KEY_FILE: pem }) => parsePrivateKeys(pem),
    logger,
    telemetry,
  });
}

/** The key file of a process that does not share its data folder. It is created at the first start. */
async function ownKeyFile(folder: string): Promise<string> {
  const path = join(folder, KEY_FILE);
  try {
    await editFile(path, { create: true }, (pem) => (pem === '' ? makeTokenKey() : undefined));
  } catch (error) {
    throw new ConfigError(
      `the token key cannot be created at ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return path;
}
