import { type AccessPolicy, openAccess } from '../access/access.ts';
import { Authentication } from '../access/authentication.ts';
import { IssuerLogins } from '../access/logins/issuer-logins.ts';
import type { Logins } from '../access/logins/logins.ts';
import type { RobotsLog } from '../access/robots/log.ts';
import { RulesPolicy } from '../access/rules/policy.ts';
import type { TokenPorts } from '../http/context.ts';
import { Gate } from '../http/gate.ts';
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
  readonly close: () => void;
}

export interface AccessPorts extends Pick<TokenWiring, 'config' | 'opened' | 'publicAddress' | 'logger' | 'telemetry'> {
  readonly opened: Pick<OpenedStore, 'store' | 'place' | 'driver'>;
  readonly files: AccessFiles;
  readonly robots: RobotsLog;
}

/** Wires authentication, rules and tokens. @throws ConfigError */
export async function openAccessControl(ports: AccessPorts): Promise<Access> {
  const { files, config, publicAddress, logger } = ports;
  if (files.kind === 'open') {
    logger.info('no accounts are configured: everyone who reaches the port may do everything');
    return {
      policy: openAccess,
      gate: undefined,
      tokens: undefined,
      logins: undefined,
      issuerLogins: undefined,
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
      ...{ authentication, policy, rules: policy, publicAddress, tokenServer, logins, logger },
      catchUp: robots.catchUp,
    }),
    logins,
    issuerLogins:
      logins === undefined || tokens.pendingLogins === undefined
        ? undefined
        : new IssuerLogins({
            ...{ rules, tokens: oidc, pending: tokens.pendingLogins, logger },
            monotonic: () => performance.now(),
          }),
    tokens: tokens.endpoint({ policy, authentication, claimsNeeded }),
    close: () => {
      robots.close();
      tokens.close();
      files.close();
    },
  };
}
