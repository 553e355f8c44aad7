import { type Release, Semaphore } from '../../system/semaphore.ts';
import { isTransient, NoAnswer, toStorageError } from './failures.ts';
import type { S3Ports } from './settings.ts';

/** How long a request may take, in milliseconds. */
export interface Patience {
  /** For one attempt. */
  readonly attempt: number;
  /** From the call on, including the wait for a permit, all attempts and the pauses between them. */
  readonly total: number;
}

/** The log and small objects. */
export const SMALL: Patience = { attempt: 5_000, total: 10_000 };
/** Parts and their completion, for stores that transfer only a few MiB a second. */
export const LARGE: Patience = { attempt: 60_000, total: 180_000 };

/** The slowest transfer rate that is accepted. The bytes of a request extend the time of its attempt. */
const MIN_BYTES_PER_MS = 1024;

/**
 * Requests in flight, for each kind of patience. More would be no faster, and their time would run while they queue in the connection
 * pool or in the store, so they would all time out and retry together. Bun's fetch has 256 connections in the whole process, so its
 * threads share these places.
 */
const MAX_IN_FLIGHT = 96;
/** For one thread. */
const MIN_IN_FLIGHT = 8;

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;

/** One attempt at a request. */
export interface Attempt {
  /** Aborted when the attempt took too long, or when its caller is gone. */
  readonly signal: AbortSignal;
  /** Extends the time of the attempt for a request that transfers this many bytes. */
  allow(bytes: number): void;
}

export interface SendOptions {
  /** Whether an error of `work` is worth another attempt. Default: `isTransient`. */
  readonly isRetryable?: (error: unknown) => boolean;
  /** Of a caller that shares the request with no other. Once it is aborted the request ends with its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * If true, `signal` ends only the waits for a permit and between attempts. A running attempt is finished, and a first attempt is
   * made if it need not wait.
   */
  readonly finishesAttempt?: boolean;
  /** The caller's own deadline (by the ports' clock, in milliseconds), if it is earlier than the request's. */
  readonly deadline?: number | undefined;
}

class AttemptTooSlow extends Error {
  override readonly name = 'AttemptTooSlow';
}

class NoPermit extends Error {
  override readonly name = 'NoPermit';
}

/** Sends requests, retries transient failures with full jitter, and ends each request at its deadline. */
export class Requests {
  readonly #ports: S3Ports;
  readonly #permits = new Map<Patience, Semaphore>();
  readonly #maxInFlight: number;

  /** @param threads of this process that send requests */
  constructor(ports: S3Ports, threads = 1) {
    this.#ports = ports;
    this.#maxInFlight = Math.max(MIN_IN_FLIGHT, Math.floor(MAX_IN_FLIGHT / threads));
  }

  /** The deadline of a chain of requests that begins now, for `SendOptions.deadline` of each of them. */
  deadlineOf({ total }: Patience): number {
    return this.#ports.now() + total;
  }

  /**
   * The deadline counts from the call, so in an outage of the store the thousandth request fails as soon as the first one.
   * @throws NoAnswer at the deadline; the signal's reason; RegistryError `storage-full`; the store's own error if it refused
   */
  async send<T>(
    operation: string,
    patience: Patience,
    work: (attempt: Attempt) => Promise<T>,
    options: SendOptions = {},
  ): Promise<T> {
    const deadline = Math.min(this.deadlineOf(patience), options.deadline ?? Number.POSITIVE_INFINITY);
    if (deadline <= this.#ports.now()) throw new NoAnswer(operation, new Error("the caller's deadline had passed"));
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
    const permits = this.#permits.get(patience) ?? new Semaphore(this.#maxInFlight);
    this.#permits.set(patience, permits);
    const release = permits.tryAcquire();
    if (release !== undefined) return release;
    const late = new AbortController();
    const over = new AbortController();
    const { now, sleep } = this.#ports;
    void sleep(Math.max(0, deadline - now()), over.signal).then(() =>
      late.abort(new NoAnswer(operation, new NoPermit(`${this.#maxInFlight} earlier requests were still in flight`))),
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
        // If the deadline ended the last attempt, an earlier failure explains more.
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
      // Once the attempt is over it must not be aborted any more, because its body may still be read.
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
      // A request that its client aborted says nothing about the store.
      if (client?.aborted !== true) this.#ports.onRequest(operation, !isTransient(error));
      throw error;
    } finally {
      client?.removeEventListener('abort', leave);
      over.abort();
    }
  }
}

const NEVER = new AbortController().signal;
