import { createPacer } from '../collection/pace.ts';

/** How long a backup works before it looks whether clients use the registry, in milliseconds. */
const WORK_MS = 200;
/** It then rests for so many times the processor time of its work, but no longer than this, in milliseconds. */
const REST_FOR_WORK = 3;
const MAX_REST_MS = 600;
/** Clients that made a request count as using it for this long. */
const USED_MS = 1_000;

export interface BackupPacePorts {
  /** Milliseconds, of a clock that is never set back. */
  readonly now: () => number;
  /** Processor time of this process, in milliseconds. */
  readonly processorTime: () => number;
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
 * there are requests, a backup works for a quarter of the time only (docs/decisions/0102). Processor time counts, so that it does not rest
 * for what it could not do, on a machine that is always busy.
 */
export function paceBeside(ports: BackupPacePorts): BackupPace {
  const { now, processorTime, sleep, requests, afterWork, onUsed } = ports;
  let known: number | undefined;
  let isUsed = false;
  let rested = 0;
  let workedBefore = processorTime();
  let usedUntil = Number.NEGATIVE_INFINITY;
  const rest = async (): Promise<void> => {
    await afterWork();
    const count = await requests();
    if (known !== undefined && count !== undefined && count !== known) usedUntil = now() + USED_MS;
    known = count;
    const begin = now();
    if (begin < usedUntil) {
      if (!isUsed) onUsed();
      isUsed = true;
      await sleep(Math.min(MAX_REST_MS, (processorTime() - workedBefore) * REST_FOR_WORK));
      rested += now() - begin;
    }
    workedBefore = processorTime();
  };
  return { pause: createPacer({ now, rest, busy: WORK_MS }), rested: () => rested };
}
