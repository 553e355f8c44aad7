import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AccessPolicy } from '../access/access.ts';
import { collectionReports } from '../collection/report.ts';
import type { Cursor } from '../feed/cursor.ts';
import { ALL_CHANGES, type Feed } from '../feed/feed.ts';
import { READ_AHEAD } from '../journal/log.ts';
import type { RepositoryName } from '../oci/names.ts';
import { IndexFile } from '../overview/index-file.ts';
import { IndexWriter } from '../overview/index-writer.ts';
import { type ChangeSource, Indexer } from '../overview/indexer.ts';
import type { Overview, PulledAt, StorageReport, Totals } from '../overview/interface.ts';
import { LazyOverview } from '../overview/lazy-overview.ts';
import { NotedChanges } from '../overview/noted-changes.ts';
import { OverviewService } from '../overview/overview-service.ts';
import { openIndex } from '../overview/schema.ts';
import { ChangedRepositories } from '../projection/threads/changed-repositories.ts';
import { Heads } from '../projection/threads/heads.ts';
import type { ExplanationPorts } from '../retention/explanations.ts';
import { within } from '../system/within.ts';
import { LineThrottle } from '../telemetry/line-throttle.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread } from '../threads/thread.ts';
import { sleep } from './basics.ts';
import { withScrapeTimeout } from './collection.ts';
import { paceFor } from './pace.ts';
import type { Counted, UsageFeed } from './quotas.ts';
import type { OpenedStore } from './store.ts';

/** How long an answer waits for what was written before it, in milliseconds; and while the index is made, since it was begun. */
const CATCH_UP_MS = 250;
const FIRST_WAIT_MS = 1_000;
/** How long another thread waits for the owner. */
const OWNER_WITHIN_MS = 5_000;
/** The feed is followed for so long after somebody has asked, and how often it is looked whether somebody did. */
const USED_MS = 10 * 60_000;
const LOOK_MS = 1_000;
/** Changes of one page of the feed, and how long one wait for more lasts. */
const PAGE = 1_000;
const WAIT_MS = 30_000;
const RETRY_MS = 5_000;
/** The index leaves so many bytes of a disk to the registry. */
const MIN_FREE_BYTES = 64 * 1024 * 1024;
const GARBAGE_FOR_MS = 30_000;

/** What the owner does for all threads. */
interface OverviewCalls {
  /** Makes the index, unless there is one. @returns the path of its file */
  open(): Promise<string>;
  /** Resolves when what was written before is in the index, or after a moment. @returns whether the index is complete */
  caughtUp(noted: readonly RepositoryName[]): Promise<boolean>;
}

const OVERVIEW_CALLS = ['open', 'caughtUp'] as const;

export interface OverviewPorts {
  readonly opened: Pick<OpenedStore, 'driver' | 'place' | 'isLocked'>;
  readonly counted: Counted;
  readonly access: AccessPolicy;
  /** All changes of all repositories. */
  readonly feed: Feed;
  readonly expiring: () => StorageReport['expiring'];
  /** When tags were last pulled; undefined if that is not recorded. */
  readonly pulls: ExplanationPorts['pulls'] | undefined;
  readonly newId: () => string;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly thread: Thread;
  /** This thread's part in a data folder that the process has alone. */
  readonly folderThread: Thread;
}

export interface OverviewWiring {
  /** Reports the writes of this thread, and passes them on. */
  readonly feed: UsageFeed;
  /** Must be called once. The index is made when somebody first asks. */
  readonly open: (ports: OverviewPorts) => Overview;
  readonly close: () => Promise<void>;
}

/** The index of all repositories. The threads of a process share the owner's. */
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
  let running: RunningIndex | undefined;
  const calls: OverviewCalls = {
    open: async () => {
      if (running === undefined) {
        running = startIndex(ports, noted);
        onClose(running.close);
      }
      return running.path;
    },
    caughtUp: async (repositories) => {
      if (running === undefined) throw new Error('the index of repositories is not open');
      return await running.caughtUp(repositories);
    },
  };
  const others = thread.kind === 'owner' ? thread.others : [];
  for (const { services } of others) offer<OverviewCalls>(services.overview, calls);
  return calls;
}

interface RunningIndex extends Pick<OverviewCalls, 'caughtUp'> {
  readonly path: string;
  readonly close: () => Promise<void>;
}

function startIndex(ports: OverviewPorts, noted: NotedChanges): RunningIndex {
  const { opened, counted, folderThread, telemetry, newId } = ports;
  const { driver, place, isLocked } = opened;
  const folder = isLocked ? join(place, 'tmp') : tmpdir();
  const file = new IndexFile(folder, newId(), (error) =>
    ports.logger.warn({ err: error, folder }, 'what a killed process left of its index cannot be removed'),
  );
  const begun = performance.now();
  const indexer = new Indexer({
    driver,
    writer: new IndexWriter(file.writer),
    changes: changesOf(folderThread, noted),
    ahead: isLocked ? 1 : READ_AHEAD,
    repositories: (after, limit) => counted.store.repositories(after, limit),
    hasRoom: () => freeBytesOf(folder) > MIN_FREE_BYTES,
    now: Date.now,
    yieldToRequests: paceFor(() => telemetry.requests.begun),
    failed: failures(ports.logger),
  });
  const follower = isLocked ? undefined : new FeedFollower(ports, indexer);
  if (isLocked) indexer.start();
  return {
    path: file.path,
    caughtUp: async (repositories) => {
      follower?.asked();
      for (const repo of repositories) indexer.changed(repo);
      const left = FIRST_WAIT_MS - (performance.now() - begun);
      await indexer.caughtUp(indexer.isComplete ? CATCH_UP_MS : Math.max(0, left));
      return indexer.isComplete;
    },
    close: async () => {
      await follower?.close();
      await indexer.close();
      file.close();
    },
  };
}

function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function changesOf(folderThread: Thread, noted: NotedChanges): ChangeSource {
  return folderThread.kind === 'alone' ? noted : new ChangedRepositories(new Heads(folderThread.memory.heads));
}

/**
 * Tells the indexer of what other processes write to the store, for as long as somebody uses the index. The indexer looks at all
 * repositories after the place in the feed is known, so that nothing is missed in between.
 */
class FeedFollower {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #askedAt = performance.now();

  constructor(ports: Pick<OverviewPorts, 'feed' | 'logger'>, indexer: Indexer) {
    this.#running = this.#follow(ports, indexer);
  }

  asked(): void {
    this.#askedAt = performance.now();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #follow({ feed, logger }: Pick<OverviewPorts, 'feed' | 'logger'>, indexer: Indexer): Promise<void> {
    const { signal } = this.#stop;
    const failed = failures(logger);
    let cursor: Cursor | undefined;
    while (!signal.aborted) {
      try {
        if (cursor === undefined) {
          cursor = await feed.start({ kind: 'now' });
          indexer.start();
        }
        const page = await feed.page(cursor, { filter: ALL_CHANGES, limit: PAGE, signal });
        for (const { repository } of page.changes) indexer.changed(repository);
        cursor = page.cursor;
        if (!page.more) await feed.wait(cursor, { until: performance.now() + WAIT_MS, signal });
        while (performance.now() - this.#askedAt > USED_MS && !signal.aborted) await sleep(LOOK_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        // Without the feed the index has what there is now, until the feed can be read.
        indexer.start();
        failed(error);
        await sleep(RETRY_MS, signal);
      }
    }
  }
}

function failures(logger: Logger): (error: unknown, repo?: RepositoryName) => void {
  const throttle = new LineThrottle(() => performance.now());
  return (error, repository) => {
    const skipped = throttle.admit();
    if (skipped === undefined) return;
    logger.warn(
      { err: error, repository, skipped },
      'the index of repositories may lack something; it will be tried again',
    );
  };
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
