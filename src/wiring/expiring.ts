import type { StorageReport } from '../overview/interface.ts';
import { EXPIRY_NOTICE, ExpiringTags, loadExpiring } from '../retention/expiring.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import type { ExpiryNotices } from '../rules/expiry-warnings.ts';
import type { Logger } from '../telemetry/log.ts';
import { repeat } from './basics.ts';
import type { OpenedStore } from './store.ts';

/** Another process may run retention, so its announcements are read from the store at this interval. */
const RELOAD_EVERY_MS = 5 * 60_000;

type AnnouncedTag = StorageReport['expiring'][number];

export interface ExpiryWatch {
  readonly notices: ExpiryNotices;
  /** The tags that the last run has announced. */
  readonly announced: () => readonly AnnouncedTag[];
  /** To be called when a retention run has ended in this process. */
  readonly reload: () => Promise<void>;
  readonly close: () => void;
}

/** Watches which tags retention will delete next. @returns undefined if no rule deletes tags */
export function watchExpiring(
  { driver }: Pick<OpenedStore, 'driver'>,
  policy: RetentionPolicy | undefined,
  logger: Logger,
): ExpiryWatch | undefined {
  if (policy === undefined || !policy.rules.some(({ keep }) => keep !== undefined)) return undefined;
  const tags = new ExpiringTags();
  const reload = async (): Promise<void> => {
    try {
      tags.replace(await loadExpiring(driver));
    } catch (error) {
      logger.warn({ err: error }, 'could not read which tags retention will delete next: clients get no warning');
    }
  };
  const stop = policy.announces ? repeat(RELOAD_EVERY_MS, reload) : () => {};
  if (policy.announces) void reload();
  return {
    notices: {
      isExpiring: (repo, tag, digest) => tags.isExpiring(repo, tag, digest),
      expiresWhenPushed: (repo, tag) => !policy.keepsPushed(repo, tag, EXPIRY_NOTICE),
    },
    announced: () => tags.all.map(({ repo, tag, digest }) => ({ repository: repo, tag, digest })),
    reload,
    close: stop,
  };
}
