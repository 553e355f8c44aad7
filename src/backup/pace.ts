import { createPacer } from '../collection/pace.ts';

/** While clients use the registry, a backup works for this long and then rests for this long, in milliseconds. */
const WORK_MS = 200;
const REST_MS = 400;
/** Clients that made a request count as using it for this long. */
const USED_MS = 1_000;

export interface BackupPacePorts {
  /** Milliseconds, of a clock that is never set back. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** The requests of clients since the start of the server; undefined if no server has the store, or it does not say. */
  readonly requests: () => Promise<number | undefined>;
  /** Awaited after each piece of work. */
  readonly afterWork: () => Promise<void>;
  /** Called when it becomes known that clients use the registry, once. */
  readonly onUsed: () => void;
}

export interface BackupPace {
  /** To be awaited between small pieces of work. */
  readonly pause: () => Promise<void>;
  /** How long it has rested, in milliseconds. */
  readonly rested: () => number;
}

/**
 * Creates the pause that a backup awaits between small pieces of work. Other processes delay requests even at the lowest priority, so while
 * there are requests, a backup works for a third of the time only (docs/decisions/0102).
 */
export function paceBeside({ now, sleep, requests, afterWork, onUsed }: BackupPacePorts): BackupPace {
  let known: number | undefined;
  let rested = 0;
  let usedUntil = Number.NEGATIVE_INFINITY;
  const rest = async (): Promise<void> => {
    await afterWork();
    const count = await requests();
    if (known !== undefined && count !== undefined && count !== known) usedUntil = now() + USED_MS;
    known = count;
    if (now() >= usedUntil) return;
    if (rested === 0) onUsed();
    await sleep(REST_MS);
    rested += REST_MS;
  };
  return { pause: createPacer({ now, rest, busy: WORK_MS }), rested: () => rested };
}
