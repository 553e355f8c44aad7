import type { ImportProgress, ImportReport, Problem, Way } from './report.ts';

export interface Listeners {
  readonly onProblem: (problem: Problem) => void;
  readonly onProgress: (progress: ImportProgress) => void;
}

/** Counts what an import has done so far. */
export class Tally {
  readonly #listeners: Listeners;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #blobs = {
    ...{ linked: nothing(), copied: nothing(), sent: nothing() },
    ...{ shared: nothing(), present: nothing() },
  };
  readonly tags = { set: 0, present: 0 };
  readonly manifests = { put: 0, present: 0 };
  #repositories = 0;
  #repository = '';
  #problems = 0;
  #done = 0;
  #read = 0;
  #total = 0;

  /** @param now milliseconds */
  constructor(listeners: Listeners, now: () => number) {
    this.#listeners = listeners;
    this.#now = now;
    this.#startedAt = now();
  }

  blob(way: Way, bytes: number): void {
    this.#blobs[way].count++;
    this.#blobs[way].bytes += bytes;
  }

  problem(problem: Problem): void {
    this.#problems++;
    this.#listeners.onProblem(problem);
  }

  repository(name: string): void {
    this.#repositories++;
    this.#repository = name;
    this.#notify();
  }

  counted(): void {
    this.#total++;
  }

  done(): void {
    this.#done++;
    this.#notify();
  }

  read(bytes: number): void {
    this.#read += bytes;
    this.#notify();
  }

  report(): ImportReport {
    return {
      repositories: this.#repositories,
      tags: { ...this.tags },
      manifests: { ...this.manifests },
      blobs: this.#blobs,
      problems: this.#problems,
      seconds: (this.#now() - this.#startedAt) / 1000,
    };
  }

  #notify(): void {
    const total = Math.max(this.#total, this.#done);
    this.#listeners.onProgress({ done: this.#done, total, repository: this.#repository, read: this.#read });
  }
}

function nothing(): { count: number; bytes: number } {
  return { count: 0, bytes: 0 };
}
