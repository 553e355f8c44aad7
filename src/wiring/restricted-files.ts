import type { Judge } from '../access/credential-judge.ts';
import type { OidcTokens } from '../access/oidc/oidc-tokens.ts';
import { type AccessRules, nothingIsAllowed } from '../access/rules/access-rules.ts';
import type { Config } from '../config.ts';
import type { Thread } from '../threads/thread.ts';
import { openAccessRules, type RulePorts } from './access-rules.ts';
import { openJudge } from './judge.ts';
import { openKeys, openOidc } from './oidc.ts';
import { type OpenPasswords, openPasswords } from './passwords.ts';
import { openTokenServer } from './token-server.ts';
import type { TokenServerSettings } from './token-server-settings.ts';
import { type KeyFile, type OpenedTokens, openKeyFile } from './tokens.ts';

/** The parts of access control that need no store, where access is restricted. */
export interface RestrictedFiles {
  readonly kind: 'restricted';
  /** The current rules. */
  readonly rules: () => AccessRules;
  /** SHA-256 of the ACCESS_FILE that they are from, in hex. */
  readonly hash: () => string | undefined;
  readonly oidc: OidcTokens;
  readonly passwords: OpenPasswords | undefined;
  readonly judge: Judge;
  readonly tokenSource: TokenSource;
  /** Closes everything except the token source. */
  readonly close: () => void;
}

/** Where clients get their tokens. */
type TokenSource =
  | { readonly kind: 'server'; readonly settings: TokenServerSettings; readonly tokens: OpenedTokens }
  /** @property keyFile as in `TokenWiring` */
  | { readonly kind: 'own'; readonly keyFile: KeyFile | undefined };

export interface RestrictedFilesPorts extends RulePorts {
  readonly thread: Thread;
}

/** Reads all files that the access settings name. @throws ConfigError in one line */
export async function openRestrictedFiles(
  config: Config,
  settings: TokenServerSettings | undefined,
  ports: RestrictedFilesPorts,
): Promise<RestrictedFiles> {
  const rules = await openAccessRules(config, ports);
  const current = rules?.current ?? (() => nothingIsAllowed);
  const oidc = await openOidc(current, openKeys(ports.thread, ports.logger));
  const judge = openJudge(config, ports);
  const passwords = await openPasswords(config, { ...ports, judge });
  return {
    kind: 'restricted',
    rules: current,
    hash: () => rules?.hash(),
    oidc,
    passwords,
    judge: judge.judge,
    tokenSource:
      settings === undefined
        ? { kind: 'own', keyFile: await openKeyFile(config, ports) }
        : { kind: 'server', settings, tokens: await openTokenServer(settings, ports) },
    close: () => {
      passwords?.close();
      judge.close();
      rules?.close();
    },
  };
}
