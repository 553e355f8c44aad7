import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cursor } from '../feed/cursor.ts';
import { ALL_CHANGES, type Feed } from '../feed/feed.ts';
import { READ_AHEAD } from '../journal/log.ts';
import type { RepositoryName } from '../oci/names.ts';
import { IndexFile } from '../overview/index-file.ts';
import { IndexWriter } from '../overview/index-writer.ts';
import { type ChangeSource, Indexer } from '../overview/indexer.ts';
import type { NotedChanges } from '../overview/noted-changes.ts';
import { ChangedRepositories } from '../projection/threads/changed-repositories.ts';
import { Heads } from '../projection/threads/heads.ts';
import { LineThrottle } from '../telemetry/line-throttle.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { Thread } from '../threads/thread.ts';
import { sleep } from './basics.ts';
import { paceFor } from './pace.ts';
import type { Counted } from './quotas.ts';
import type { OpenedStore } from './store.ts';

/** How long an answer waits for what was written before it, in milliseconds; and while the index is made, since it was begun. */
const CATCH_UP_MS = 250;
const FIRST_WAIT_MS = 1_000;
/** How long the feed is followed after the last request for the index, and how often requests are looked for afterwards. */
const USED_MS = 10 * 60_000;
const LOOK_MS = 1_000;
/** Changes of one page of the feed, and how long one wait for more lasts. */
const PAGE = 1_000;
const WAIT_MS = 30_000;
const RETRY_MS = 5_000;
/** Free bytes that the index leaves on a disk for the registry. */
const MIN_FREE_BYTES = 64 * 1024 * 1024;

export interface IndexPorts {
  readonly opened: Pick<OpenedStore, 'driver' | 'place' | 'isLocked'>;
  readonly counted: Counted;
  /** All changes of all repositories. */
  readonly feed: Feed;
  readonly newId: () => string;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** This thread's part in a data folder that the process has alone. */
  readonly folderThread: Thread;
}

/** The index of all repositories, in the thread that follows the logs. */
export interface RunningIndex {
  /** Of its file. */
  readonly path: string;
  /** Resolves when what was written before is in the index, or after a moment. @returns whether it is */
  readonly caughtUp: (noted: readonly RepositoryName[]) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

/** Makes an index, and begins to fill it. @throws if its file cannot be made */
export function startIndex(ports: IndexPorts, noted: NotedChanges): RunningIndex {
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
      return await indexer.caughtUp(indexer.isComplete ? CATCH_UP_MS : Math.max(0, left));
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
 * Reports to the indexer what other processes write to the store, for as long as the index is used. The indexer looks at all repositories
 * after the place in the feed is known, so that nothing is missed in between.
 */
class FeedFollower {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #askedAt = performance.now();

  constructor(ports: Pick<IndexPorts, 'feed' | 'logger'>, indexer: Indexer) {
    this.#running = this.#follow(ports, indexer);
  }

  asked(): void {
    this.#askedAt = performance.now();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #follow({ feed, logger }: Pick<IndexPorts, 'feed' | 'logger'>, indexer: Indexer): Promise<void> {
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
        // Until the feed can be read, the index has what is in the store now.
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
