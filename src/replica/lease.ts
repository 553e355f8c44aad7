import type { RedisCommands } from '../projection/redis/commands.ts';
import { script } from '../projection/redis/script.ts';
import releaseLease from './scripts/release-lease.lua' with { type: 'text' };
import takeLease from './scripts/take-lease.lua' with { type: 'text' };

/** How long a lease holds without being renewed, and how often it is renewed, or asked for, in milliseconds. */
const HOLDS_MS = 15_000;
const RENEW_EVERY_MS = 5_000;

const SCRIPTS = {
  take: script('replica-take-lease', takeLease),
  release: script('replica-release-lease', releaseLease),
} as const;

/** Decides which process of a cluster follows. It saves the others the work; safety does not depend on it. */
export interface Lease {
  /** Takes or renews it. @returns whether this process has it */
  take(): Promise<boolean>;
  /** Gives it up, if this process has it. */
  release(): Promise<void>;
}

export class RedisLease implements Lease {
  readonly #redis: RedisCommands;
  readonly #key: string;
  readonly #process: string;

  /** @param instance ULID of the store's objects @param process an id of this process */
  constructor(redis: RedisCommands, instance: string, process: string) {
    this.#redis = redis;
    this.#key = `{${instance}}:replica-lease`;
    this.#process = process;
  }

  async take(): Promise<boolean> {
    return (await this.#redis.evaluate(SCRIPTS.take, [this.#key], [this.#process, HOLDS_MS])) === 1;
  }

  async release(): Promise<void> {
    await this.#redis.evaluate(SCRIPTS.release, [this.#key], [this.#process]);
  }
}

export interface LeasedPorts {
  readonly lease: Lease;
  /** Works until its signal is aborted. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Resolves early when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** The lease could not be asked for. Called once until it could. */
  readonly failed: (error: unknown) => void;
}

/** Runs the work while this process has the lease, until the signal is aborted. */
export async function runWithLease({ lease, run, sleep, failed }: LeasedPorts, signal: AbortSignal): Promise<void> {
  let work: { readonly end: AbortController; readonly done: Promise<void> } | undefined;
  let hasFailed = false;
  while (!signal.aborted) {
    let isOurs = false;
    try {
      isOurs = await lease.take();
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) failed(error);
      hasFailed = true;
    }
    if (isOurs && work === undefined) {
      const end = new AbortController();
      work = { end, done: run(end.signal) };
    } else if (!isOurs && work !== undefined) {
      work.end.abort();
      await work.done;
      work = undefined;
    }
    await sleep(RENEW_EVERY_MS, signal);
  }
  if (work === undefined) return;
  work.end.abort();
  await work.done;
  try {
    await lease.release();
  } catch (error) {
    // It ends by itself.
    failed(error);
  }
}
