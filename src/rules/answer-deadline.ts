import type { Caller } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Registry } from '../registry/interface.ts';
import { Forwarding } from './forwarding.ts';

/** Deadlines count from the beginning of the request, in milliseconds. */
const READ_MS = 10_000;
/** The log has ten seconds to confirm a write. The rest is for the lookups before it. */
const WRITE_MS = 12_000;
/** The first page of the catalog after a start reads the log of each repository. */
const CATALOG_MS = 60_000;

/** Calls `late` after the given time unless it is cancelled. @returns a function that cancels it */
export type StartTimer = (milliseconds: number, late: () => void) => () => void;

export const startTimer: StartTimer = (milliseconds, late) => {
  const timer = setTimeout(late, milliseconds);
  return () => clearTimeout(timer);
};

/** The caller of a request, with a signal that is also aborted at the deadline. */
class CallerWithDeadline implements Caller {
  readonly #caller: Caller;
  #late: AbortController | undefined;
  #signal: AbortSignal | undefined;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  get actor(): Caller['actor'] {
    return this.#caller.actor;
  }

  get authority(): Caller['authority'] {
    return this.#caller.authority;
  }

  /** Created on first use, because a request answered from memory never reads it. */
  get signal(): AbortSignal {
    this.#late ??= new AbortController();
    this.#signal ??= AbortSignal.any([this.#caller.signal, this.#late.signal]);
    return this.#signal;
  }

  abort(error: RegistryError): void {
    this.#late?.abort(error);
  }
}

/**
 * Answers a request with `unavailable` if it takes too long, no matter how many store operations it needs. Work that only this
 * request needed is aborted. Work shared with other requests continues, so a retry can use its result. Requests that carry the
 * bytes of a blob have no deadline here, because the client sets their pace.
 */
export class AnswerDeadline extends Forwarding {
  readonly #startTimer: StartTimer;

  constructor(inner: Registry, timer: StartTimer = startTimer) {
    super(inner);
    this.#startTimer = timer;
  }

  override getBlob(
    ...[repo, digest, caller, delivery]: Parameters<Registry['getBlob']>
  ): ReturnType<Registry['getBlob']> {
    return this.#bound(READ_MS, caller, (bounded) => this.inner.getBlob(repo, digest, bounded, delivery));
  }

  override resolveBlob(
    ...[repo, digest, caller]: Parameters<Registry['resolveBlob']>
  ): ReturnType<Registry['resolveBlob']> {
    return this.#bound(READ_MS, caller, (bounded) => this.inner.resolveBlob(repo, digest, bounded));
  }

  override getManifest(
    ...[repo, reference, caller]: Parameters<Registry['getManifest']>
  ): ReturnType<Registry['getManifest']> {
    return this.#bound(READ_MS, caller, (bounded) => this.inner.getManifest(repo, reference, bounded));
  }

  override resolveManifest(
    ...[repo, reference, caller]: Parameters<Registry['resolveManifest']>
  ): ReturnType<Registry['resolveManifest']> {
    return this.#bound(READ_MS, caller, (bounded) => this.inner.resolveManifest(repo, reference, bounded));
  }

  override renewBlob(...[repo, digest, caller]: Parameters<Registry['renewBlob']>): ReturnType<Registry['renewBlob']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.renewBlob(repo, digest, bounded));
  }

  override renewManifest(
    ...[repo, reference, caller]: Parameters<Registry['renewManifest']>
  ): ReturnType<Registry['renewManifest']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.renewManifest(repo, reference, bounded));
  }

  override startUpload(
    ...[repo, algorithm, caller]: Parameters<Registry['startUpload']>
  ): ReturnType<Registry['startUpload']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.startUpload(repo, algorithm, bounded));
  }

  override uploadStatus(
    ...[repo, id, caller]: Parameters<Registry['uploadStatus']>
  ): ReturnType<Registry['uploadStatus']> {
    return this.#bound(READ_MS, caller, (bounded) => this.inner.uploadStatus(repo, id, bounded));
  }

  override cancelUpload(
    ...[repo, id, caller]: Parameters<Registry['cancelUpload']>
  ): ReturnType<Registry['cancelUpload']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.cancelUpload(repo, id, bounded));
  }

  override mountBlob(
    ...[repo, digest, from, caller]: Parameters<Registry['mountBlob']>
  ): ReturnType<Registry['mountBlob']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.mountBlob(repo, digest, from, bounded));
  }

  override pushManifest(
    ...[repo, manifest, caller, guard]: Parameters<Registry['pushManifest']>
  ): ReturnType<Registry['pushManifest']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.pushManifest(repo, manifest, bounded, guard));
  }

  override deleteBlob(
    ...[repo, digest, caller]: Parameters<Registry['deleteBlob']>
  ): ReturnType<Registry['deleteBlob']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.deleteBlob(repo, digest, bounded));
  }

  override deleteManifest(
    ...[repo, digest, caller, guard]: Parameters<Registry['deleteManifest']>
  ): ReturnType<Registry['deleteManifest']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.deleteManifest(repo, digest, bounded, guard));
  }

  override deleteTag(
    ...[repo, tag, caller, guard]: Parameters<Registry['deleteTag']>
  ): ReturnType<Registry['deleteTag']> {
    return this.#bound(WRITE_MS, caller, (bounded) => this.inner.deleteTag(repo, tag, bounded, guard));
  }

  override tags(...[repo, page, caller]: Parameters<Registry['tags']>): ReturnType<Registry['tags']> {
    return this.#bound(READ_MS, caller, (bounded) => this.inner.tags(repo, page, bounded));
  }

  override repositories(...[page, caller]: Parameters<Registry['repositories']>): ReturnType<Registry['repositories']> {
    return this.#bound(CATALOG_MS, caller, (bounded) => this.inner.repositories(page, bounded));
  }

  override referrers(
    ...[repo, subject, request, caller]: Parameters<Registry['referrers']>
  ): ReturnType<Registry['referrers']> {
    return this.#bound(READ_MS, caller, (bounded) => this.inner.referrers(repo, subject, request, bounded));
  }

  /** A synchronous answer starts no timer. A promise that has already settled cancels its timer at once. */
  #bound<A>(milliseconds: number, caller: Caller, ask: (caller: Caller) => A): A;
  #bound<T>(milliseconds: number, caller: Caller, ask: (caller: Caller) => T | Promise<T>): T | Promise<T> {
    const bounded = new CallerWithDeadline(caller);
    const answer = ask(bounded);
    if (!(answer instanceof Promise)) return answer;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const cancel = this.#startTimer(milliseconds, () => {
      const error = new RegistryError(
        'unavailable',
        `there was no answer within ${milliseconds / 1000} seconds: try again`,
      );
      reject(error);
      bounded.abort(error);
    });
    answer.then(resolve, reject).finally(cancel);
    return promise;
  }
}
