import type { AccessPolicy } from '../access/access.ts';
import { anyOf, askOften, bellOf, clock } from '../feed/doorbells.ts';
import type { ChangesForCallers, Feed } from '../feed/feed.ts';
import { GatheredHints } from '../feed/gathered-hints.ts';
import { type HintBoard, MemoryBoard } from '../feed/hint-board.ts';
import { LogFeed } from '../feed/log-feed.ts';
import { Noter } from '../feed/noter.ts';
import { NotesHead } from '../feed/notes/head.ts';
import { type Hints, NotesLog } from '../feed/notes/log.ts';
import { NotesView } from '../feed/notes/view.ts';
import { PROCESS_TIME } from '../feed/pace.ts';
import { RedisBoard } from '../feed/redis-board.ts';
import { type SweepPorts, sweepNotes } from '../feed/sweep.ts';
import type { RedisCommands } from '../projection/redis/commands.ts';
import { FeedAccess } from '../rules/feed-access.ts';
import { offer, remote } from '../threads/calls.ts';
import { sleep } from './basics.ts';
import type { ShapeNotes, ShapePorts } from './node-ports.ts';
import type { OpenedStore, StorePorts } from './store.ts';

/** How often a process looks for notes of others on a bucket while readers wait: two processes work on it only during a deployment. */
const LOOK_AT_BUCKET_EVERY_MS = 1_000;

/** What the owner offers to the other threads. */
interface NotesCalls {
  hint(hints: Hints): Promise<void>;
}

export type NoterWiring = Pick<ShapePorts, 'logs' | 'newId' | 'node'> & {
  readonly opened: Pick<OpenedStore, 'driver'>;
  /** Undefined in a command, which is refused before it opens a store that is read-only. */
  readonly writes?: ShapePorts['writes'] | undefined;
};

/** Writes the notes of one process, or of one thread of a cluster. */
export function openNoter(
  { opened: { driver }, logs: { logger }, newId, node, writes }: NoterWiring,
  board: HintBoard,
  onNote: (seq: number) => void = () => {},
): Noter {
  const snapshotFailed = (error: unknown): void =>
    logger.warn({ err: error }, 'a snapshot of the notes could not be stored; it is tried again');
  return new Noter({
    log: new NotesLog({ driver, newId, node, sleep, now: Date.now, snapshotFailed }),
    board,
    driver,
    mayWrite: () => writes === undefined || writes.state === 'writable',
    sleep,
    onNote,
    // Redis or the store is away, which they report themselves; pushes and pulls need no notes.
    onFailure: (error) => logger.warn({ err: error }, 'notes cannot be written: the feed of changes is behind'),
  });
}

/** The notes of an embedded process: one of its threads writes them. */
export async function openEmbeddedNotes(ports: ShapePorts): Promise<ShapeNotes> {
  const { thread, logs, opened } = ports;
  const head = new NotesHead(thread.kind === 'alone' ? NotesHead.allocate() : thread.memory.notes);
  const doorbell = opened.isLocked ? bellOf(head) : anyOf(bellOf(head), clock(LOOK_AT_BUCKET_EVERY_MS));
  const newest = opened.isLocked ? () => head.seq : undefined;
  if (thread.kind === 'other') {
    const owner = remote<NotesCalls>(thread.services.notes, ['hint']);
    const failed = (error: unknown): void =>
      logs.logger.warn({ err: error }, 'writes could not be reported to the feed of changes; it finds them later');
    const hints = new GatheredHints((each) => owner.hint(each), failed);
    const copied = (): Promise<never> => Promise.reject(new Error('only the owner copies notes'));
    return { hint: (repo, seq) => hints.hint(repo, seq), doorbell, newest, copied, close: () => hints.flush() };
  }
  const noter = openNoter(ports, new MemoryBoard(() => performance.now()), (seq) => head.raise(seq));
  try {
    await noter.open();
  } catch (error) {
    // Pulls and pushes need no notes.
    logs.logger.error({ err: error }, 'the notes cannot be read: there is no feed of changes');
  }
  const service: NotesCalls = {
    hint: async (hints) => {
      for (const [repo, seq] of hints) noter.hint(repo, seq);
    },
  };
  if (thread.kind === 'owner') for (const { services } of thread.others) offer<NotesCalls>(services.notes, service);
  const copied = async (_: Hints, seq: number): Promise<void> => head.raise(seq);
  return { hint: (repo, seq) => noter.hint(repo, seq), doorbell, newest, copied, close: () => noter.close() };
}

/** The notes of a node of a cluster. */
export function openClusterNotes(
  ports: NoterWiring & { readonly opened: Pick<OpenedStore, 'instance'> },
  redis: RedisCommands,
): ShapeNotes {
  const { logger } = ports.logs;
  const board = new RedisBoard(redis, ports.opened.instance);
  const noter = openNoter(ports, board);
  // A node that ended may have left hints.
  noter.wake();
  return {
    hint: (repo, seq) => noter.hint(repo, seq),
    doorbell: askOften({
      look: () => board.look(),
      onHints: () => noter.wake(),
      failed: (error) =>
        logger.warn(
          { err: error },
          'Redis does not say whether there are new changes: waiting readers look in the store',
        ),
    }),
    newest: undefined,
    copied: (reached, seq) => board.remove(reached, seq),
    close: () => noter.close(),
  };
}

export interface OpenedFeed {
  /** For Marina's own readers: everything. */
  readonly feed: Feed;
  readonly changes: ChangesForCallers;
  /** Readers that wait. */
  readonly waiting: () => number;
}

type FeedPorts = Pick<StorePorts, 'logs'> & { readonly opened: Pick<OpenedStore, 'driver' | 'store'> };

/** Opens the feed of changes of a thread, for Marina's own readers. */
export function openOwnFeed({ opened, logs: { logger } }: FeedPorts, { doorbell, newest }: ShapeNotes): LogFeed {
  return new LogFeed({
    driver: opened.driver,
    confirm: (key) => opened.driver.confirm(key),
    newest,
    store: opened.store,
    doorbell,
    time: PROCESS_TIME,
    lookFailed: (error) => logger.warn({ err: error }, 'new changes cannot be looked for; readers wait'),
  });
}

/** Opens the feed of changes of a thread. */
export function openFeed(ports: FeedPorts, notes: ShapeNotes, access: AccessPolicy): OpenedFeed {
  const feed = openOwnFeed(ports, notes);
  return { feed, changes: new FeedAccess(feed, access), waiting: () => feed.waiting };
}

/** The job that finds what is not noted. */
export function sweepOf(
  { opened: { driver } }: Pick<NoterWiring, 'opened'>,
  { newest, hint }: Pick<SweepPorts, 'newest' | 'hint'>,
): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    const view = new NotesView(driver);
    await view.refresh();
    await sweepNotes({ driver, reached: view.reached, newest, hint }, signal);
  };
}
