import { openAccess } from '../access/access.ts';
import { StoredAccessDesk } from '../access/admin/desk.ts';
import type { AccessDesk, AccessSource } from '../access/admin/interface.ts';
import { nothingIsAllowed } from '../access/rules/access-rules.ts';
import type { Config } from '../config.ts';
import type { RegistryError } from '../oci/errors.ts';
import type { RequestAccess, RequestAccessPorts } from './restricted-access.ts';
import type { RestrictedFiles, RestrictedFilesPorts } from './restricted-files.ts';
import type { OpenedStore } from './store.ts';
import { tokenServerOf } from './token-server-settings.ts';

/** The parts of access control that need no store. */
export type AccessFiles =
  /** Access is not restricted. */
  { readonly kind: 'open' } | RestrictedFiles;

/**
 * Reads all files that the access settings name. It is called before the store is opened, so that a start with a wrong file or
 * setting changes nothing. Only a registry that restricts access loads the code for it.
 * @throws ConfigError in one line
 */
export async function openAccessFiles(config: Config, ports: RestrictedFilesPorts): Promise<AccessFiles> {
  const tokenServer = tokenServerOf(config);
  const { accessFile, htpasswdFile } = config;
  if (accessFile === undefined && htpasswdFile === undefined && tokenServer === undefined) return { kind: 'open' };
  const { openRestrictedFiles } = await import('./restricted-files.ts');
  return await openRestrictedFiles(config, tokenServer, ports);
}

export interface Access extends RequestAccess {
  /** What administrators see and change. */
  readonly desk: AccessDesk;
}

export interface AccessPorts extends RequestAccessPorts {
  readonly opened: Pick<OpenedStore, 'store' | 'secrets' | 'place' | 'driver'>;
  readonly files: AccessFiles;
  /** The error for all writes; undefined while the store accepts them. */
  readonly writesRefused: () => RegistryError | undefined;
}

/** Wires authentication, rules and tokens. @throws ConfigError */
export async function openAccessControl(ports: AccessPorts): Promise<Access> {
  const { files, logger } = ports;
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
  const { restrictAccess } = await import('./restricted-access.ts');
  return { ...(await restrictAccess(files, ports)), desk };
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
