import { isPassing, NoAnswer, thrown } from './failures.ts';
import type { S3Ports } from './settings.ts';

/** How long a request may take, in milliseconds. */
export interface Patience {
  /** One attempt, up to the end of what it waits for. */
  readonly attempt: number;
  /** All attempts and the pauses between them. */
  readonly total: number;
}

/** The log and small objects: who waits for those has a deadline of its own. */
export const SMALL: Patience = { attempt: 5_000, total: 10_000 };
/** Parts and the completion of many: at most a few MiB/s are expected of the store. */
export const LARGE: Patience = { attempt: 60_000, total: 180_000 };

/** What every store is expected to move in a second: bytes beyond the first few add to an attempt's time. */
const LEAST_BYTES_PER_MS = 1024;

/**
 * Requests at once, of each kind of patience. More are no faster, and while they queue in the connection's pool or in the store their
 * time runs: a crowd would time out together, and come back together. Bun's fetch has 256 connections in the whole process.
 */
const AT_ONCE = 96;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** One attempt at a request. */
export interface Attempt {
  /** Aborted when it took too long. */
  readonly signal: AbortSignal;
  /** So many bytes go to or fro: it may take longer. */
  allow(bytes: number): void;
}

class AttemptTooSlow extends Error {
  override readonly name = 'AttemptTooSlow';
}

/** Lets so many in at once, in the order in which they came. */
class Turns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** Repeats what may succeed a moment later, with full jitter, until the deadline. */
export class Requests {
  readonly #ports: S3Ports;
  readonly #turns = new Map<Patience, Turns>();

  constructor(ports: S3Ports) {
    this.#ports = ports;
  }

  /**
   * @param passing whether an error of `work` is worth another attempt
   * @throws NoAnswer at the deadline; RegistryError `storage-full`; the store's own error where it said no
   */
  async send<T>(
    operation: string,
    patience: Patience,
    work: (attempt: Attempt) => Promise<T>,
    passing: (error: unknown) => boolean = isPassing,
  ): Promise<T> {
    const turns = this.#turns.get(patience) ?? new Turns(AT_ONCE);
    this.#turns.set(patience, turns);
    await turns.take();
    try {
      return await this.#untilAnswered(operation, patience, work, passing);
    } finally {
      turns.give();
    }
  }

  async #untilAnswered<T>(
    operation: string,
    patience: Patience,
    work: (attempt: Attempt) => Promise<T>,
    passing: (error: unknown) => boolean,
  ): Promise<T> {
    const { now, sleep, random } = this.#ports;
    const deadline = now() + patience.total;
    for (let failed = 0; ; failed++) {
      try {
        return await this.#attempt(operation, Math.min(patience.attempt, deadline - now()), work);
      } catch (error) {
        if (!passing(error)) throw thrown(error);
        const pause = random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failed);
        if (now() + pause >= deadline) throw new NoAnswer(operation, error);
        await sleep(pause, NEVER);
      }
    }
  }

  async #attempt<T>(operation: string, limit: number, work: (attempt: Attempt) => Promise<T>): Promise<T> {
    const slow = new AbortController();
    const over = new AbortController();
    let allowed = limit;
    const watch = async (): Promise<void> => {
      for (let waited = 0; waited < allowed && !over.signal.aborted; ) {
        const next = allowed - waited;
        await this.#ports.sleep(next, over.signal);
        waited += next;
      }
      // Once it is over, what it gave may still be read: a stream lives on behind its headers.
      if (!over.signal.aborted) slow.abort(new AttemptTooSlow(`no answer within ${Math.round(allowed)} ms`));
    };
    void watch();
    try {
      const result = await work({
        signal: slow.signal,
        allow: (bytes) => {
          allowed += bytes / LEAST_BYTES_PER_MS;
        },
      });
      this.#ports.onRequest(operation, true);
      return result;
    } catch (error) {
      this.#ports.onRequest(operation, !isPassing(error));
      throw error;
    } finally {
      over.abort();
    }
  }
}

const NEVER = new AbortController().signal;
