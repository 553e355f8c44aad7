import { setTimeout as delay } from 'node:timers/promises';
import { ANONYMOUS } from '../access/access.ts';
import type { Batch } from '../journal/events.ts';
import { readSlot } from '../journal/log.ts';
import { SlotReader } from '../journal/slot-reader.ts';
import type { RepositoryName } from '../oci/names.ts';
import { describeEvent, type ShowDigest, shortDigest, wholeDigest } from './describe-event.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { type OpenStore, requireRepository } from './open-store.ts';
import { formatTime, type Output, printable } from './output.ts';

/** Interval of polling for a new slot. Each poll is one read of an absent object. */
const POLL_MS = 200;
/** The length of the longest event type. */
const TYPE_WIDTH = 'manifest.deleted'.length;
const SEQ_WIDTH = 6;
/** The column is as wide as its widest entry so far, up to this. */
const MAX_ACTOR_WIDTH = 40;

export interface LogOptions {
  readonly follow?: true;
  readonly json?: true;
  readonly full?: true;
  /** The first slot to show; 1 by default. */
  readonly from?: number;
}

/** `log <repo>`: shows the events of a repository, oldest first. */
export async function showLog(name: string, options: LogOptions, store: OpenStore, output: Output): Promise<ExitCode> {
  const repo = requireRepository(name);
  const write = options.json === true ? writeJson(output) : writeReadable(output, options.full === true);
  const slots = new SlotReader(store.reader, repo, options.from ?? 1);
  const interrupted = new AbortController();
  if (options.follow === true) process.once('SIGINT', () => interrupted.abort());
  if ((await readSlot(store.reader, repo, 1)) === undefined) {
    if (options.follow !== true) throw unknownRepository(repo, store);
    console.error(`marina: ${repo} has no log yet, waiting for its first slot`);
  }
  while (!interrupted.signal.aborted) {
    const slot = await slots.next();
    if (slot !== undefined) await write(slot.batch);
    else if (options.follow !== true) break;
    else await pause(interrupted.signal);
  }
  return EXIT.ok;
}

export function unknownRepository(repo: RepositoryName, store: OpenStore): CommandError {
  return new CommandError(EXIT.negative, `there is no repository ${repo} in ${store.place}`);
}

async function pause(signal: AbortSignal): Promise<void> {
  try {
    await delay(POLL_MS, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

type WriteBatch = (batch: Batch) => Promise<void>;

/** One JSON object per event, with the fields of its slot. */
function writeJson(output: Output): WriteBatch {
  return async ({ events, ...slot }) => {
    for (const event of events) await output.json({ ...slot, event });
  };
}

function writeReadable(output: Output, full: boolean): WriteBatch {
  const show: ShowDigest = full ? wholeDigest : shortDigest;
  let actorWidth = ANONYMOUS.label.length;
  return async ({ at, seq, events }) => {
    for (const event of events) {
      const actor = printable(event.actor ?? '-');
      actorWidth = Math.min(MAX_ACTOR_WIDTH, Math.max(actorWidth, actor.length));
      const columns = [
        output.styled('dim', formatTime(at)),
        output.styled('yellow', String(seq).padStart(SEQ_WIDTH)),
        actor.padEnd(actorWidth),
        output.styled(styleOf(event.type), event.type.padEnd(TYPE_WIDTH)),
        describeEvent(event, show),
      ];
      await output.line(columns.join('  '));
    }
  };
}

/** Makes deletions stand out. */
function styleOf(type: string): 'red' | 'green' | 'cyan' {
  if (type.endsWith('deleted') || type.endsWith('unlinked')) return 'red';
  return type === 'tag.set' ? 'green' : 'cyan';
}
