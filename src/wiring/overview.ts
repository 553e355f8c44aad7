import type { AccessPolicy } from '../access/access.ts';
import { collectionReports } from '../collection/report.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Overview, PulledAt, StorageReport, Totals } from '../overview/interface.ts';
import { LazyOverview } from '../overview/lazy-overview.ts';
import { NotedChanges } from '../overview/noted-changes.ts';
import type { ExplanationPorts } from '../retention/explanations.ts';
import { within } from '../system/within.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread } from '../threads/thread.ts';
import { withScrapeTimeout } from './collection.ts';
import type { UsageFeed } from './quotas.ts';
import type { IndexPorts, RunningIndex } from './repository-index.ts';

/** How long another thread waits for the owner. */
const OWNER_WITHIN_MS = 5_000;
const GARBAGE_FOR_MS = 30_000;

/** What the owner does for all threads. */
interface OverviewCalls {
  /** Makes the index, unless there is one. @returns the path of its file */
  open(): Promise<string>;
  /** Resolves when what was written before is in the index, or after a moment. @returns whether it is */
  caughtUp(noted: readonly RepositoryName[]): Promise<boolean>;
}

const OVERVIEW_CALLS = ['open', 'caughtUp'] as const;

export interface OverviewPorts extends IndexPorts {
  readonly access: AccessPolicy;
  readonly expiring: () => StorageReport['expiring'];
  /** When tags were last pulled; undefined if that is not recorded. */
  readonly pulls: ExplanationPorts['pulls'] | undefined;
  readonly thread: Thread;
}

export interface OverviewWiring {
  /** Reports the writes of this thread, and passes them on. */
  readonly feed: UsageFeed;
  /** Must be called once. The index is made when somebody first asks. */
  readonly open: (ports: OverviewPorts) => Overview;
  readonly close: () => Promise<void>;
}

/**
 * The index of all repositories. The threads of a process share the owner's. The code that makes it and reads it is loaded when somebody
 * first asks.
 */
export function wireOverview(usage: UsageFeed): OverviewWiring {
  const noted = new NotedChanges();
  const closing: (() => Promise<void>)[] = [];
  return {
    feed: {
      used: (repo, used) => {
        noted.note(repo);
        usage.used(repo, used);
      },
      appended: (repo) => {
        noted.note(repo);
        usage.appended(repo);
      },
    },
    open: (ports) => openOverview(ports, noted, (close) => closing.push(close)),
    close: async () => {
      for (const close of closing.splice(0).reverse()) await close();
    },
  };
}

function openOverview(
  ports: OverviewPorts,
  noted: NotedChanges,
  onClose: (close: () => Promise<void>) => void,
): Overview {
  const { thread, access, expiring } = ports;
  const calls = thread.kind === 'other' ? remote<OverviewCalls>(thread.services.overview, OVERVIEW_CALLS) : undefined;
  const owner = calls ?? ownIndex(ports, noted, onClose);
  const garbage = garbageOf(ports);
  return new LazyOverview(access, async () => {
    const [{ OverviewService }, { openIndex }] = await Promise.all([
      import('../overview/overview-service.ts'),
      import('../overview/schema.ts'),
    ]);
    const path = await within(OWNER_WITHIN_MS, owner.open());
    if (path === undefined) throw new Error('the index of repositories was not opened in time');
    const database = openIndex(path);
    onClose(async () => database.close());
    return new OverviewService({
      database,
      access,
      garbage,
      expiring,
      pulls: async () => await pulledAtOf(ports),
      now: Date.now,
      caughtUp: async () => (await within(OWNER_WITHIN_MS, owner.caughtUp(noted.take()))) ?? false,
    });
  });
}

/** Offers the index of this process to its other threads. */
function ownIndex(
  ports: OverviewPorts,
  noted: NotedChanges,
  onClose: (close: () => Promise<void>) => void,
): OverviewCalls {
  const { thread } = ports;
  let running: Promise<RunningIndex> | undefined;
  const start = async (): Promise<RunningIndex> => {
    const { startIndex } = await import('./repository-index.ts');
    return startIndex(ports, noted);
  };
  onClose(async () => {
    // If it could not be started, the caller of `open` has got the error.
    const index = await running?.catch(() => undefined);
    await index?.close();
  });
  const calls: OverviewCalls = {
    open: async () => {
      running ??= start().catch((error: unknown) => {
        // The next call tries again.
        running = undefined;
        throw error;
      });
      return (await running).path;
    },
    caughtUp: async (repositories) => {
      if (running === undefined) throw new Error('the index of repositories is not open');
      return await (await running).caughtUp(repositories);
    },
  };
  const others = thread.kind === 'owner' ? thread.others : [];
  for (const { services } of others) offer<OverviewCalls>(services.overview, calls);
  return calls;
}

/** Without the times of pulls the rest of an answer is still worth showing. */
async function pulledAtOf({ pulls, logger }: OverviewPorts): Promise<PulledAt | undefined> {
  try {
    const of = await pulls?.();
    return of && ((repo, tag, digest) => of(repo)(tag, digest));
  } catch (error) {
    logger.warn({ err: error }, 'the times of pulls could not be read');
    return undefined;
  }
}

/** What the last collection left. Read again after a while. */
function garbageOf({ opened, logger }: OverviewPorts): () => Promise<Totals['garbage']> {
  let known: Totals['garbage'];
  let readAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - readAt < GARBAGE_FOR_MS) return known;
    try {
      const report = await withScrapeTimeout(collectionReports.last(opened.driver));
      known = report && { ...report.waiting, at: new Date(report.finishedAt).toISOString() };
      readAt = performance.now();
    } catch (error) {
      logger.warn({ err: error }, 'the last collection could not be read');
    }
    return known;
  };
}
