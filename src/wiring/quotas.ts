import type { Quota, Resource } from '../access/rules/quota.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import { Ledger } from '../quotas/ledger.ts';
import { QUOTA_CALLS, type QuotaCalls, QuotaService, ThreadLedger } from '../quotas/thread-ledger.ts';
import { type CountedStore, type Sharing, UsageCounter } from '../quotas/usage-counter.ts';
import type { Registry } from '../registry/interface.ts';
import { Quotas } from '../rules/quotas.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread } from '../threads/thread.ts';
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

interface QuotaPorts {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly thread: Thread;
}

/** Quotas of ACCESS_FILE, which may be added later. The threads of a process share the owner's ledger. */
export function openQuotas(ports: QuotaPorts): QuotaWiring {
  const { thread } = ports;
  if (thread.kind !== 'other') return openLedger(ports);
  return useOwnersLedger(remote<QuotaCalls>(thread.services.quotas, QUOTA_CALLS), ports.logger);
}

function useOwnersLedger(owner: QuotaCalls, logger: Logger): QuotaWiring {
  const ledger = new ThreadLedger(owner);
  /** Otherwise the owner's ledger is updated with every slot that this thread applies. */
  let reportsWrites = false;
  const failed = (error: unknown): void =>
    logger.warn({ err: error }, 'the usage of a repository could not be reported; it will be counted again');
  return {
    feed: {
      used: (repo, usage) => {
        if (ledger.limits(repo)) owner.used(repo, usage).catch(failed);
      },
      appended: (repo) => {
        if (reportsWrites && ledger.limits(repo)) owner.written(repo).catch(failed);
      },
    },
    limit: (inner, { sharing }) => {
      reportsWrites = sharing.kind === 'always';
      return new Quotas(inner, {
        ledger,
        count: (repo) => owner.count(repo),
        // A reservation that is finished, not released, makes the owner count the repository.
        written: () => !reportsWrites,
        refused: ({ quota, resource }) => void owner.refused(quota.name, resource).catch(failed),
      });
    },
    use: (quotas) => ledger.use(quotas),
    close: async () => {},
  };
}

function openLedger({ logger, telemetry, thread }: QuotaPorts): QuotaWiring {
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
      const count = (repo: RepositoryName): Promise<void> => begun.count(repo);
      const refused = (quota: string, resource: Resource): void => telemetry.quotas.refused(quota, resource);
      const written = (repo: RepositoryName): boolean => begun.written(repo);
      const others = thread.kind === 'owner' ? thread.others : [];
      for (const { services } of others)
        offer<QuotaCalls>(services.quotas, new QuotaService({ ledger, count, written, refused }));
      return new Quotas(inner, {
        ledger,
        count,
        written,
        refused: ({ quota, resource }) => refused(quota.name, resource),
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
