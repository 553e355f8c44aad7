// The feed of a simulated node, wired as in src/wiring/feed.ts.
import type { HintBoard } from '../../../src/feed/hint-board.ts';
import { LogFeed } from '../../../src/feed/log-feed.ts';
import { Noter } from '../../../src/feed/noter.ts';
import { NotesLog, type NotesStore } from '../../../src/feed/notes/log.ts';
import { NotesView } from '../../../src/feed/notes/view.ts';
import { RedisBoard } from '../../../src/feed/redis-board.ts';
import { sweepNotes } from '../../../src/feed/sweep.ts';
import type { Incarnation, RepositoryName } from '../../../src/oci/names.ts';
import type { RedisCommands } from '../../../src/projection/redis/commands.ts';
import type { StorageDriver } from '../../../src/storage/driver.ts';
import type { Machine } from '../machine.ts';

type Newest = (repo: RepositoryName) => Promise<{ readonly seq: number }>;
type Hint = (repo: RepositoryName, seq: number) => void;

/** A deliberate bug of the feed. It changes ports: the code under test contains nothing of it. */
export interface FeedBug {
  readonly board?: (board: HintBoard) => HintBoard;
  /** The store of the notes. */
  readonly notes?: (driver: StorageDriver) => NotesStore;
  /** What sweeps ask for the newest slot. */
  readonly newest?: (driver: StorageDriver, newest: Newest) => Newest;
  /** The store of repositories' logs. @param hint tells of a slot */
  readonly logs?: (driver: StorageDriver, hint: Hint) => StorageDriver;
  readonly neverSweeps?: boolean;
}

export interface SimulatedFeed {
  readonly feed: LogFeed;
  readonly hint: Hint;
  readonly sweep: () => Promise<void>;
}

export interface FeedNodePorts {
  readonly machine: Machine;
  readonly driver: StorageDriver;
  readonly redis: RedisCommands;
  readonly newId: () => Incarnation;
  readonly newest: Newest;
  readonly store: string;
  readonly bug: FeedBug;
}

export function openFeedNode({ machine, driver, redis, newId, newest, store, bug }: FeedNodePorts): SimulatedFeed {
  const { now, sleep, name } = machine;
  const shared = new RedisBoard(redis, store);
  const log = new NotesLog({
    ...{ driver: bug.notes?.(driver) ?? driver, now, newId, sleep, node: name },
    snapshotFailed: () => {},
  });
  const noter = new Noter({
    ...{ log, driver, board: bug.board?.(shared) ?? shared },
    mayWrite: () => true,
    sleep: (milliseconds) => sleep(milliseconds),
    onNote: () => {},
    // It tries again.
    onFailure: () => {},
  });
  // What a process that ended has left.
  noter.wake();
  const hint: Hint = (repo, seq) => noter.hint(repo, seq);
  return {
    feed: new LogFeed({
      ...{ driver, store, confirm: (key) => driver.confirm(key) },
      doorbell: { listen: () => () => {} },
      time: { now: () => machine.scheduler.now, nextTurn: () => sleep(0) },
      lookFailed: () => {},
    }),
    hint,
    sweep: async () => {
      const view = new NotesView(driver);
      await view.refresh();
      const asked = bug.newest?.(driver, newest) ?? newest;
      await sweepNotes({ driver, reached: view.reached, newest: asked, hint }, new AbortController().signal);
    },
  };
}
