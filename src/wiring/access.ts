import { type AccessPolicy, openAccess } from '../access/access.ts';
import { Authentication } from '../access/authentication.ts';
import { GuessingLimiter } from '../access/guessing.ts';
import type { RobotsLog } from '../access/robots/log.ts';
import { type AccessRules, nothingIsAllowed } from '../access/rules/access-rules.ts';
import { RulesPolicy } from '../access/rules/policy.ts';
import type { Config } from '../config.ts';
import type { TokenPorts } from '../http/context.ts';
import { Gate } from '../http/gate.ts';
import { openAccessRules } from './access-rules.ts';
import { openOidc } from './oidc.ts';
import { openPasswords } from './passwords.ts';
import { openRobotLogins } from './robots.ts';
import { openTokenServer, tokenServerOf } from './token-server.ts';
import { openTokens, requireTokenKey, type TokenWiring } from './tokens.ts';

export interface Access {
  readonly policy: AccessPolicy;
  /** undefined if access is not restricted. */
  readonly gate: Gate | undefined;
  /** undefined if this registry issues no tokens. */
  readonly tokens: TokenPorts | undefined;
  readonly close: () => void;
}

export interface AccessPorts extends Omit<TokenWiring, 'versionOf' | 'lifetimeOf'> {
  readonly robots: RobotsLog;
  /** Called with the first version of ACCESS_FILE, and with each new one. */
  readonly onRules: (rules: AccessRules) => void;
}

/** Checks the settings before the store is opened. @throws ConfigError */
export function checkAccessSettings(config: Config): void {
  const hasOwnTokens = tokenServerOf(config) === undefined;
  if (hasOwnTokens && (config.htpasswdFile !== undefined || config.accessFile !== undefined)) requireTokenKey(config);
}

/** Wires authentication, rules and tokens. @throws ConfigError */
export async function openAccessControl(ports: AccessPorts): Promise<Access> {
  const { config, publicAddress, logger } = ports;
  const server = tokenServerOf(config);
  const rules = await openAccessRules(config, ports);
  if (rules === undefined && server === undefined) {
    logger.info('no accounts are configured: everyone who reaches the port may do everything');
    return { policy: openAccess, gate: undefined, tokens: undefined, close: () => {} };
  }
  const current = rules?.current ?? (() => nothingIsAllowed);
  const limiter = new GuessingLimiter(() => performance.now());
  const oidc = await openOidc(current, logger);
  const robots = await openRobotLogins({ ...ports, limiter });
  const passwords = await openPasswords(config, { ...ports, limiter });
  // Passwords must be last, because they answer for every name.
  const basic = [oidc, robots.authenticator, ...(passwords === undefined ? [] : [passwords.authenticator])];
  const policy = new RulesPolicy(current);
  const tokens =
    server !== undefined
      ? await openTokenServer(server, ports)
      : await openTokens({
          ...ports,
          versionOf: ({ kind, name }) => (kind === 'user' ? passwords?.versionOf(name) : robots.versionOf(name)),
          lifetimeOf: (holder) =>
            holder.kind === 'robot' ? robots.tokenLifetime(holder.name, config.tokenLifetime) : config.tokenLifetime,
        });
  const authentication = new Authentication(basic, [tokens.authenticator, oidc]);
  const claimsNeeded = (issuer: string): readonly string[] => current().claimsNeeded(issuer);
  return {
    policy,
    gate: new Gate({ authentication, policy, rules: policy, publicAddress, tokenServer: server, logger }),
    tokens: tokens.endpoint({ policy, authentication, claimsNeeded }),
    close: () => {
      robots.close();
      tokens.close();
      passwords?.close();
      rules?.close();
    },
  };
}
