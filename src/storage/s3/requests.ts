import { type Release, Semaphore } from '../../system/semaphore.ts';
import { isTransient, NoAnswer, toStorageError } from './failures.ts';
import type { S3Ports } from './settings.ts';

/** How long a request may take, in milliseconds. */
export interface Patience {
  /** One attempt, up to the end of what it waits for. */
  readonly attempt: number;
  /** From the call on: the wait for a permit, all attempts and the pauses between them. */
  readonly total: number;
}

/** The log and small objects. */
export const SMALL: Patience = { attempt: 5_000, total: 10_000 };
/** Parts and the completion of many: the store need not move more than a few MiB a second. */
export const LARGE: Patience = { attempt: 60_000, total: 180_000 };

/** Every store should move this much: the bytes of a request add to the time of an attempt. */
const MIN_BYTES_PER_MS = 1024;

/**
 * Requests in flight, of each kind of patience. More are no faster, and their time runs while they queue in the connection pool or in
 * the store: a crowd would time out together, and come back together. Bun's fetch has 256 connections in the whole process.
 */
const MAX_IN_FLIGHT = 96;

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;

/** One attempt at a request. */
export interface Attempt {
  /** Aborted when the attempt took too long, or when nobody waits for it. */
  readonly signal: AbortSignal;
  /** Says how many bytes the request transfers: the attempt may take longer. */
  allow(bytes: number): void;
}

export interface SendOptions {
  /** Whether an error of `work` is worth another attempt. Default: `isTransient`. */
  readonly isRetryable?: (error: unknown) => boolean;
  /** Of a caller that nobody else shares the request with. Once it is aborted the request ends with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** `signal` ends only the waits, for a permit and between attempts: an attempt is finished, and a first one that need not wait is made. */
  readonly finishesAttempt?: boolean;
  /** The time (of the ports' clock, in milliseconds) at which the caller's own patience ends, where that is before the request's. */
  readonly deadline?: number | undefined;
}

class AttemptTooSlow extends Error {
  override readonly name = 'AttemptTooSlow';
}

class NoPermit extends Error {
  override readonly name = 'NoPermit';

  constructor() {
    super(`${MAX_IN_FLIGHT} earlier requests were still in flight`);
  }
}

/** Sends requests, retries those that may succeed a moment later, with full jitter, and ends each at its deadline. */
export class Requests {
  readonly #ports: S3Ports;
  readonly #permits = new Map<Patience, Semaphore>();

  constructor(ports: S3Ports) {
    this.#ports = ports;
  }

  /** The time at which a chain of requests that begins now has to end, for the `deadline` of each of them. */
  deadlineOf({ total }: Patience): number {
    return this.#ports.now() + total;
  }

  /**
   * The deadline counts from the call: in an outage of the store the thousandth request has its answer as soon as the first one.
   * @throws NoAnswer at the deadline; the signal's reason; RegistryError `storage-full`; the store's own error where it refused
   */
  async send<T>(
    operation: string,
    patience: Patience,
    work: (attempt: Attempt) => Promise<T>,
    options: SendOptions = {},
  ): Promise<T> {
    const deadline = Math.min(this.deadlineOf(patience), options.deadline ?? Number.POSITIVE_INFINITY);
    if (deadline <= this.#ports.now()) throw new NoAnswer(operation, new Error('the time of its caller was over'));
    if (options.finishesAttempt !== true) options.signal?.throwIfAborted();
    const release = await this.#permit(operation, patience, deadline, options.signal);
    try {
      return await this.#untilAnswered(operation, patience.attempt, deadline, work, options);
    } finally {
      release();
    }
  }

  async #permit(
    operation: string,
    patience: Patience,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Release> {
    const permits = this.#permits.get(patience) ?? new Semaphore(MAX_IN_FLIGHT);
    this.#permits.set(patience, permits);
    const release = permits.tryAcquire();
    if (release !== undefined) return release;
    const late = new AbortController();
    const over = new AbortController();
    const { now, sleep } = this.#ports;
    void sleep(Math.max(0, deadline - now()), over.signal).then(() =>
      late.abort(new NoAnswer(operation, new NoPermit())),
    );
    try {
      return await permits.acquire(signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
    } finally {
      over.abort();
    }
  }

  async #untilAnswered<T>(
    operation: string,
    limit: number,
    deadline: number,
    work: (attempt: Attempt) => Promise<T>,
    { isRetryable = isTransient, signal, finishesAttempt }: SendOptions,
  ): Promise<T> {
    const { now, sleep, random } = this.#ports;
    const client = finishesAttempt === true ? undefined : signal;
    let cause: unknown;
    for (let failed = 0; ; failed++) {
      try {
        return await this.#attempt(operation, Math.min(limit, deadline - now()), work, client);
      } catch (error) {
        signal?.throwIfAborted();
        if (!isRetryable(error)) throw toStorageError(error);
        // An attempt that the deadline cut short says less than a failure before it.
        if (cause === undefined || !(error instanceof AttemptTooSlow)) cause = error;
        const pause = random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failed);
        if (now() + pause >= deadline) throw new NoAnswer(operation, cause);
        await sleep(pause, signal ?? NEVER);
        signal?.throwIfAborted();
      }
    }
  }

  async #attempt<T>(
    operation: string,
    limit: number,
    work: (attempt: Attempt) => Promise<T>,
    client: AbortSignal | undefined,
  ): Promise<T> {
    const abandoned = new AbortController();
    const over = new AbortController();
    let allowed = limit;
    const watch = async (): Promise<void> => {
      for (let waited = 0; waited < allowed && !over.signal.aborted; ) {
        const next = allowed - waited;
        await this.#ports.sleep(next, over.signal);
        waited += next;
      }
      // Once it is over, what it gave may still be read: a stream lives on behind its headers.
      if (!over.signal.aborted) abandoned.abort(new AttemptTooSlow(`no answer within ${Math.round(allowed)} ms`));
    };
    const leave = (): void => abandoned.abort(client?.reason);
    client?.addEventListener('abort', leave);
    void watch();
    try {
      const result = await work({
        signal: abandoned.signal,
        allow: (bytes) => {
          allowed += bytes / MIN_BYTES_PER_MS;
        },
      });
      this.#ports.onRequest(operation, true);
      return result;
    } catch (thrown) {
      // HTTP clients throw errors of their own for an abort.
      const error: unknown = abandoned.signal.aborted ? abandoned.signal.reason : thrown;
      // A request that its client gave up says nothing about the store.
      if (client?.aborted !== true) this.#ports.onRequest(operation, !isTransient(error));
      throw error;
    } finally {
      client?.removeEventListener('abort', leave);
      over.abort();
    }
  }
}

const NEVER = new AbortController().signal;
