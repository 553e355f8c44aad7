import type { Quota } from '../access/rules/quota.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import { Ledger } from '../quotas/ledger.ts';
import { type CountedStore, type Sharing, UsageCounter } from '../quotas/usage-counter.ts';
import type { Registry } from '../registry/interface.ts';
import { Quotas } from '../rules/quotas.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { sleep } from './basics.ts';

/** The parts of quotas that depend on the shape. */
export interface Counted {
  readonly store: CountedStore;
  readonly sharing: Sharing;
}

/** Where a shape reports writes, from the start. */
export interface UsageFeed {
  /** The usage of a repository after a slot was applied to the view in memory. */
  readonly used: (repo: RepositoryName, usage: RepositoryUsage) => void;
  /** Called when this process has written a slot. */
  readonly appended: (repo: RepositoryName) => void;
}

export interface QuotaWiring {
  readonly feed: UsageFeed;
  /** Wraps a registry in the quotas, and starts counting. Must be called once. */
  readonly limit: (inner: Registry, counted: Counted) => Registry;
  /** Must be called with the quotas of each new version of ACCESS_FILE. */
  readonly use: (quotas: readonly Quota[]) => void;
  readonly close: () => Promise<void>;
}

/** Quotas of ACCESS_FILE, which may be added later. */
export function openQuotas({
  logger,
  telemetry,
}: {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}): QuotaWiring {
  const ledger = new Ledger();
  let counter: UsageCounter | undefined;
  let hasQuotas = false;
  const countAll = (): void => {
    if (hasQuotas) counter?.countAll();
  };
  return {
    feed: {
      used: (repo, usage) => ledger.count(repo, usage),
      appended: (repo) => {
        if (ledger.limits(repo)) counter?.written(repo);
      },
    },
    limit: (inner, { store, sharing }) => {
      const begun = new UsageCounter({
        store,
        sharing,
        ledger,
        now: () => performance.now(),
        sleep: (milliseconds, signal) => sleep(milliseconds, signal),
        failed: (error) =>
          logger.warn({ err: error }, 'the usage of repositories could not be counted; it will be counted again'),
        counted: (repositories) =>
          logger.info({ repositories }, 'the usage of all repositories with quotas has been counted'),
      });
      counter = begun;
      telemetry.quotas.observe({
        quotas: () => ledger.used.map(({ quota: { name, allowed }, used }) => ({ name, used, allowed })),
        isComplete: () => !hasQuotas || begun.isComplete,
      });
      countAll();
      return new Quotas(inner, {
        ledger,
        count: (repo) => begun.count(repo),
        written: (repo) => begun.written(repo),
        refused: ({ quota, resource }) => telemetry.quotas.refused(quota.name, resource),
      });
    },
    use: (quotas) => {
      ledger.use(quotas);
      hasQuotas = quotas.length > 0;
      countAll();
    },
    close: async () => {
      await counter?.close();
    },
  };
}
