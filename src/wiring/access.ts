import { type AccessPolicy, openAccess } from '../access/access.ts';
import { Authentication } from '../access/authentication.ts';
import type { BasicAuthenticator, BearerAuthenticator } from '../access/authenticator.ts';
import { GuessingLimiter } from '../access/guessing.ts';
import { RulesPolicy } from '../access/rules/policy.ts';
import type { Config } from '../config.ts';
import type { TokenPorts } from '../http/context.ts';
import { Gate } from '../http/gate.ts';
import { openAccessRules } from './access-rules.ts';
import { openOidc } from './oidc.ts';
import { openPasswords } from './passwords.ts';
import { openTokens, requireTokenKey, type TokenWiring } from './tokens.ts';

export interface Access {
  readonly policy: AccessPolicy;
  /** undefined if access is not restricted. */
  readonly gate: Gate | undefined;
  /** Undefined if this registry issues no tokens. */
  readonly tokens: TokenPorts | undefined;
  readonly close: () => void;
}

export type AccessPorts = Omit<TokenWiring, 'versionOf'>;

/** Checks what can be checked before the store is opened. @throws ConfigError */
export function checkAccessSettings(config: Config): void {
  if (config.htpasswdFile !== undefined || config.accessFile !== undefined) requireTokenKey(config);
}

/** Puts together who may do what. @throws ConfigError */
export async function openAccessControl(ports: AccessPorts): Promise<Access> {
  const { config, publicAddress, logger } = ports;
  const rules = await openAccessRules(config, ports);
  if (rules === undefined) {
    logger.info('no accounts are configured: everybody who reaches the port may do everything');
    return { policy: openAccess, gate: undefined, tokens: undefined, close: () => {} };
  }
  const basic: BasicAuthenticator[] = [];
  const bearer: BearerAuthenticator[] = [];
  const limiter = new GuessingLimiter(() => performance.now());
  const oidc = await openOidc(rules.current, logger);
  basic.push(oidc);
  const passwords = await openPasswords(config, { ...ports, limiter });
  // It must stay the last: it answers for every name.
  if (passwords !== undefined) basic.push(passwords.authenticator);
  const policy = new RulesPolicy(rules.current);
  const tokens = await openTokens({
    ...ports,
    versionOf: ({ kind, name }) => (kind === 'user' ? passwords?.versionOf(name) : undefined),
  });
  bearer.push(tokens.own, oidc);
  const authentication = new Authentication(basic, bearer);
  const claimsNeeded = (issuer: string): readonly string[] => rules.current().claimsNeeded(issuer);
  return {
    policy,
    gate: new Gate({ authentication, policy, rules: policy, publicAddress, logger }),
    tokens: tokens.endpoint({ policy, authentication, claimsNeeded }),
    close: () => {
      tokens.close();
      passwords?.close();
      rules.close();
    },
  };
}
