import type { Config } from '../config.ts';
import { hostOf } from '../http/public-address.ts';
import { bundleAssets } from '../http/ui/assets.ts';
import { FormTokens } from '../http/ui/form-tokens.ts';
import type { UiPorts } from '../http/ui/ui-ports.ts';
import { PastNames } from '../past/past-names.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Access } from './access.ts';

interface Ports {
  readonly config: Config;
  readonly access: Pick<Access, 'policy' | 'gate' | 'logins' | 'issuerLogins'>;
  /** ULID of the store. */
  readonly store: string;
  readonly logger: Logger;
}

/** The page for people. @returns undefined if UI=false */
export function openUi({ config, access, store, logger }: Ports): UiPorts | undefined {
  if (!config.ui) return undefined;
  const { publicUrl, publicHosts } = config;
  return {
    policy: access.policy,
    hasAccounts: access.gate !== undefined,
    logins: access.logins,
    issuerLogins: access.issuerLogins,
    formTokens: new FormTokens(store, Date.now),
    assets: once(bundleAssets),
    isReadOnly: config.uiReadOnly,
    namedHosts: [...publicHosts, ...(publicUrl === '' ? [] : [hostOf(publicUrl).toLowerCase()])],
    now: Date.now,
    names: new PastNames(config.pastPrefix),
    onLogin: (login) => logger.info(login, 'a person logged in at the page'),
    onRefused: (refusal) => logger.warn(refusal, 'credentials were refused'),
  };
}

/** Work that is done at its first use. It is tried again if it fails. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}
