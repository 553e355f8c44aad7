import { IssuerProblem } from './issuer-problem.ts';

export interface CachedDocumentPorts<T> {
  /** @throws IssuerProblem; any other error is a defect */
  readonly load: (signal: AbortSignal) => Promise<T>;
  /** How long the document is used before it is loaded again, in milliseconds. */
  readonly freshMs: number;
  /** The monotonic clock, in milliseconds. */
  readonly monotonic: () => number;
  /** Called at most once a minute while it cannot be loaded. @param usesLast whether the last version stays in use */
  readonly onFailure: (reason: string, usesLast: boolean) => void;
  /** Called for the first version after a failure. */
  readonly onRecovery: () => void;
  /** Called for an error of `load` that is a defect, if no caller waits for the result. */
  readonly onDefect: (error: unknown) => void;
}

/** For all requests of one load together. */
const DEADLINE_MS = 5_000;
/** Between two searches for something newer, such as an unknown key: anyone can make a token that names one. */
const MIN_SEARCH_INTERVAL_MS = 60_000;
/** After a failure. */
const RETRY_MS = 5_000;
/** A document up to this age is used at once while it is loaded again. The keys in an older one may have been withdrawn long ago. */
const MAX_STALE_MS = 60 * 60 * 1_000;
/** How long a document stays in use while no new one can be loaded. */
const MAX_AGE_MS = 24 * 60 * 60 * 1_000;
const LOG_INTERVAL_MS = 60_000;

/**
 * A document of an issuer, such as its keys, loaded when it is first needed. Requests that need it at the same time share one load.
 */
export class CachedDocument<T> {
  readonly #ports: CachedDocumentPorts<T>;
  #loaded: { readonly value: T; readonly at: number } | undefined;
  #loading: Promise<void> | undefined;
  /** When the last load began. */
  #startedAt = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(ports: CachedDocumentPorts<T>) {
    this.#ports = ports;
  }

  /**
   * The version in use, loaded again if it is not fresh. Callers wait for that only if the last one is missing or old, so an issuer
   * that does not respond delays no login.
   * @returns undefined if there is none, or if it is too old
   */
  async current(): Promise<T | undefined> {
    if (this.#age() < this.#ports.freshMs) return this.#usable();
    const loading = this.#load(RETRY_MS);
    const mayBeStale = this.#isFailing || this.#age() < MAX_STALE_MS;
    if (mayBeStale && this.#usable() !== undefined) loading.catch(this.#ports.onDefect);
    else await loading;
    return this.#usable();
  }

  /** Searches for a newer version, because this one lacks something. @returns undefined if there is none, or if the last search is too recent */
  async otherThan(value: T): Promise<T | undefined> {
    const found = await this.newest();
    return found === value ? undefined : found;
  }

  /** The version in use, loaded again unless that was done within the last minute. @returns undefined as `current` */
  async newest(): Promise<T | undefined> {
    await this.#load(MIN_SEARCH_INTERVAL_MS);
    return this.#usable();
  }

  #age(): number {
    return this.#loaded === undefined ? Number.POSITIVE_INFINITY : this.#ports.monotonic() - this.#loaded.at;
  }

  #usable(): T | undefined {
    return this.#age() < MAX_AGE_MS ? this.#loaded?.value : undefined;
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
      const value = await load(AbortSignal.timeout(DEADLINE_MS));
      this.#loaded = { value, at: monotonic() };
      if (this.#isFailing) onRecovery();
      this.#isFailing = false;
    } catch (error) {
      if (!(error instanceof IssuerProblem)) throw error;
      this.#isFailing = true;
      if (monotonic() - this.#loggedAt < LOG_INTERVAL_MS) return;
      this.#loggedAt = monotonic();
      onFailure(error.message, this.#usable() !== undefined);
    }
  }
}
