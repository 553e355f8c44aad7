import { KeyProblem } from './key-problem.ts';

export interface CachedKeysPorts<K> {
  /** @throws KeyProblem; any other error is a defect */
  readonly load: (signal: AbortSignal) => Promise<K>;
  /** How long keys are used before they are loaded again, in milliseconds. */
  readonly freshMs: number;
  /** The monotonic clock, in milliseconds. */
  readonly monotonic: () => number;
  /** Called at most once a minute while keys cannot be loaded. @param usesLast whether the last keys stay in use */
  readonly onFailure: (reason: string, usesLast: boolean) => void;
  /** Called for the first keys after a failure. */
  readonly onRecovery: () => void;
  /** Called for an error of `load` that is a defect, if no caller waits for the keys. */
  readonly onDefect: (error: unknown) => void;
}

/** For all requests of one load together. */
const DEADLINE_MS = 5_000;
/** Between two searches for an unknown key: anyone can make a token that names one. */
const MIN_SEARCH_INTERVAL_MS = 60_000;
/** After a failure. */
const RETRY_MS = 5_000;
/** Keys up to this age are used at once while they are loaded again. Older ones may have been withdrawn long ago. */
const MAX_STALE_MS = 60 * 60 * 1_000;
/** How long keys stay in use while no new ones can be loaded. */
const MAX_AGE_MS = 24 * 60 * 60 * 1_000;
const LOG_INTERVAL_MS = 60_000;

/** The keys of one issuer, loaded when they are first needed. Requests that need them at the same time share one load. */
export class CachedKeys<K> {
  readonly #ports: CachedKeysPorts<K>;
  #loaded: { readonly keys: K; readonly at: number } | undefined;
  #loading: Promise<void> | undefined;
  /** When the last load began. */
  #startedAt = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(ports: CachedKeysPorts<K>) {
    this.#ports = ports;
  }

  /**
   * The keys in use, loaded again if they are not fresh. Callers wait for that only if the last keys are missing or old, so an issuer
   * that does not respond delays no login.
   * @returns undefined if there are none, or if they are too old
   */
  async current(): Promise<K | undefined> {
    if (this.#age() < this.#ports.freshMs) return this.#usable();
    const loading = this.#load(RETRY_MS);
    const mayBeStale = this.#isFailing || this.#age() < MAX_STALE_MS;
    if (mayBeStale && this.#usable() !== undefined) loading.catch(this.#ports.onDefect);
    else await loading;
    return this.#usable();
  }

  /** Searches for newer keys, because these lack one. @returns undefined if there are none, or if the last search is too recent */
  async otherThan(keys: K): Promise<K | undefined> {
    const found = await this.newest();
    return found === keys ? undefined : found;
  }

  /** The keys in use, loaded again unless that was done within the last minute. @returns undefined as `current` */
  async newest(): Promise<K | undefined> {
    await this.#load(MIN_SEARCH_INTERVAL_MS);
    return this.#usable();
  }

  #age(): number {
    return this.#loaded === undefined ? Number.POSITIVE_INFINITY : this.#ports.monotonic() - this.#loaded.at;
  }

  #usable(): K | undefined {
    return this.#age() < MAX_AGE_MS ? this.#loaded?.keys : undefined;
  }

  async #load(minInterval: number): Promise<void> {
    if (this.#loading === undefined) {
      const now = this.#ports.monotonic();
      if (now - this.#startedAt < minInterval) return;
      this.#startedAt = now;
      this.#loading = this.#loadOnce().finally(() => {
        this.#loading = undefined;
      });
    }
    await this.#loading;
  }

  async #loadOnce(): Promise<void> {
    const { load, monotonic, onFailure, onRecovery } = this.#ports;
    try {
      const keys = await load(AbortSignal.timeout(DEADLINE_MS));
      this.#loaded = { keys, at: monotonic() };
      if (this.#isFailing) onRecovery();
      this.#isFailing = false;
    } catch (error) {
      if (!(error instanceof KeyProblem)) throw error;
      this.#isFailing = true;
      if (monotonic() - this.#loggedAt < LOG_INTERVAL_MS) return;
      this.#loggedAt = monotonic();
      onFailure(error.message, this.#usable() !== undefined);
    }
  }
}
