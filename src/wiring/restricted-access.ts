import type { AccessPolicy } from '../access/access.ts';
import { Authentication } from '../access/authentication.ts';
import { IssuerLogins } from '../access/logins/issuer-logins.ts';
import type { Logins } from '../access/logins/logins.ts';
import type { RobotsLog } from '../access/robots/log.ts';
import { RulesPolicy } from '../access/rules/policy.ts';
import type { TokenPorts } from '../http/context.ts';
import { Gate } from '../http/gate.ts';
import { PastAccess } from '../past/past-access.ts';
import { PastNames } from '../past/past-names.ts';
import type { RestrictedFiles } from './restricted-files.ts';
import { openRobotLogins } from './robot-logins.ts';
import { openTokens, type TokenWiring } from './tokens.ts';

/** What decides about requests. */
export interface RequestAccess {
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

export interface RequestAccessPorts
  extends Pick<TokenWiring, 'config' | 'opened' | 'publicAddress' | 'logger' | 'telemetry'> {
  readonly robots: RobotsLog;
}

/** Wires authentication, rules and tokens of a registry that restricts access. @throws ConfigError */
export async function restrictAccess(files: RestrictedFiles, ports: RequestAccessPorts): Promise<RequestAccess> {
  const { config, publicAddress, logger } = ports;
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
    tokens: tokens.endpoint({ policy, authentication, claimsNeeded }),
    close: () => {
      robots.close();
      tokens.close();
      files.close();
    },
  };
}
