import { type AccessPolicy, openAccess } from '../access/access.ts';
import { StoredAccessDesk } from '../access/admin/desk.ts';
import type { AccessDesk, AccessSource } from '../access/admin/interface.ts';
import { Authentication } from '../access/authentication.ts';
import { IssuerLogins } from '../access/logins/issuer-logins.ts';
import type { Logins } from '../access/logins/logins.ts';
import type { RobotsLog } from '../access/robots/log.ts';
import { nothingIsAllowed } from '../access/rules/access-rules.ts';
import { RulesPolicy } from '../access/rules/policy.ts';
import type { Config } from '../config.ts';
import type { TokenPorts } from '../http/context.ts';
import { Gate } from '../http/gate.ts';
import type { RegistryError } from '../oci/errors.ts';
import { PastAccess } from '../past/past-access.ts';
import { PastNames } from '../past/past-names.ts';
import type { AccessFiles } from './access-files.ts';
import { openRobotLogins } from './robots.ts';
import type { OpenedStore } from './store.ts';
import { openTokens, type TokenWiring } from './tokens.ts';

export interface Access {
  readonly policy: AccessPolicy;
  /** undefined if access is not restricted. */
  readonly gate: Gate | undefined;
  /** undefined if this registry issues no tokens. */
  readonly tokens: TokenPorts | undefined;
  /** undefined if nobody can log in at the page. */
  readonly logins: Logins | undefined;
  /** undefined as `logins`. */
  readonly issuerLogins: IssuerLogins | undefined;
  /** What administrators see and change. */
  readonly desk: AccessDesk;
  readonly close: () => void;
}

export interface AccessPorts extends Pick<TokenWiring, 'config' | 'opened' | 'publicAddress' | 'logger' | 'telemetry'> {
  readonly opened: Pick<OpenedStore, 'store' | 'secrets' | 'place' | 'driver'>;
  readonly files: AccessFiles;
  readonly robots: RobotsLog;
  /** The error for all writes; undefined while the store accepts them. */
  readonly writesRefused: () => RegistryError | undefined;
}

/** Wires authentication, rules and tokens. @throws ConfigError */
export async function openAccessControl(ports: AccessPorts): Promise<Access> {
  const { files, config, publicAddress, logger } = ports;
  const desk = openDesk(ports);
  if (files.kind === 'open') {
    logger.info('no accounts are configured: everyone who reaches the port may do everything');
    return {
      policy: openAccess,
      gate: undefined,
      tokens: undefined,
      logins: undefined,
      issuerLogins: undefined,
      desk,
      close: () => {},
    };
  }
  const { rules, oidc, passwords, judge, tokenSource } = files;
  const robots = await openRobotLogins({ ...ports, judge });
  // Passwords must be last, because they answer for every name.
  const basic = [oidc, robots.authenticator, ...(passwords === undefined ? [] : [passwords.authenticator])];
  const policy = new PastAccess(new RulesPolicy(rules), new PastNames(config.pastPrefix));
  const tokens =
    tokenSource.kind === 'server'
      ? tokenSource.tokens
      : await openTokens({
          ...ports,
          keyFile: tokenSource.keyFile,
          versionOf: ({ kind, name }) => (kind === 'user' ? passwords?.versionOf(name) : robots.versionOf(name)),
          issuerUrlOf: (name) => rules().issuers.find((each) => each.name === name)?.issuer,
          lifetimeOf: (identity) =>
            identity.kind === 'robot'
              ? robots.tokenLifetime(identity.name, config.tokenLifetime)
              : config.tokenLifetime,
        });
  const logins = config.ui ? tokens.logins : undefined;
  const tokenServer = tokenSource.kind === 'server' ? tokenSource.settings : undefined;
  const authentication = new Authentication(basic, [tokens.authenticator, oidc]);
  const claimsNeeded = (issuer: string): readonly string[] => rules().claimsNeeded(issuer);
  return {
    policy,
    gate: new Gate({
      authentication,
      policy,
      rules: policy,
      publicAddress,
      tokenServer,
      logins,
      logger,
      catchUp: robots.catchUp,
    }),
    logins,
    issuerLogins:
      logins === undefined || tokens.pendingLogins === undefined
        ? undefined
        : new IssuerLogins({
            rules,
            tokens: oidc,
            pending: tokens.pendingLogins,
            logger,
            monotonic: () => performance.now(),
          }),
    desk,
    tokens: tokens.endpoint({ policy, authentication, claimsNeeded }),
    close: () => {
      robots.close();
      tokens.close();
      files.close();
    },
  };
}

function openDesk({ files, config, robots, opened, logger, writesRefused }: AccessPorts): AccessDesk {
  return new StoredAccessDesk({
    source: sourceOf(files, config),
    rules: files.kind === 'open' ? () => nothingIsAllowed : files.rules,
    accounts: () => (files.kind === 'open' ? undefined : files.passwords?.accounts()),
    robots,
    secrets: opened.secrets,
    writesRefused,
    now: Date.now,
    onChange: ({ kind, name }, { actor, id, client }) =>
      logger.info({ requestId: id, client, actor: actor.label, robot: name, change: kind }, 'a robot was changed'),
  });
}

function sourceOf(files: AccessFiles, { accessFile }: Pick<Config, 'accessFile'>): AccessSource {
  if (files.kind === 'open') return 'open';
  if (accessFile !== undefined) return 'rules';
  return files.tokenSource.kind === 'server' ? 'token-server' : 'accounts';
}
