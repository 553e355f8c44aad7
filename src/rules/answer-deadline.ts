import type { Caller } from '../access/access.ts';
import type { Algorithm } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag, UploadId } from '../oci/names.ts';
import type {
  Delivery,
  PageRequest,
  PushedManifest,
  Reference,
  ReferrersRequest,
  Registry,
  TagCondition,
  TagGuard,
} from '../registry/interface.ts';
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
    repo: RepositoryName,
    digest: Digest,
    caller: Caller,
    delivery?: Delivery,
  ): ReturnType<Registry['getBlob']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(READ_MS, bounded, this.inner.getBlob(repo, digest, bounded, delivery));
  }

  override resolveBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['resolveBlob']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(READ_MS, bounded, this.inner.resolveBlob(repo, digest, bounded));
  }

  override getManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['getManifest']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(READ_MS, bounded, this.inner.getManifest(repo, reference, bounded));
  }

  override resolveManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['resolveManifest']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(READ_MS, bounded, this.inner.resolveManifest(repo, reference, bounded));
  }

  override renewBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['renewBlob']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.renewBlob(repo, digest, bounded));
  }

  override renewManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['renewManifest']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.renewManifest(repo, reference, bounded));
  }

  override startUpload(
    repo: RepositoryName,
    algorithm: Algorithm,
    caller: Caller,
  ): ReturnType<Registry['startUpload']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.startUpload(repo, algorithm, bounded));
  }

  override uploadStatus(repo: RepositoryName, id: UploadId, caller: Caller): ReturnType<Registry['uploadStatus']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(READ_MS, bounded, this.inner.uploadStatus(repo, id, bounded));
  }

  override cancelUpload(repo: RepositoryName, id: UploadId, caller: Caller): ReturnType<Registry['cancelUpload']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.cancelUpload(repo, id, bounded));
  }

  override mountBlob(
    repo: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
    caller: Caller,
  ): ReturnType<Registry['mountBlob']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.mountBlob(repo, digest, from, bounded));
  }

  override pushManifest(
    repo: RepositoryName,
    manifest: PushedManifest,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['pushManifest']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.pushManifest(repo, manifest, bounded, guard));
  }

  override deleteBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['deleteBlob']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.deleteBlob(repo, digest, bounded));
  }

  override deleteManifest(
    repo: RepositoryName,
    digest: Digest,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['deleteManifest']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.deleteManifest(repo, digest, bounded, guard));
  }

  override deleteTag(
    repo: RepositoryName,
    tag: Tag,
    condition: TagCondition | undefined,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['deleteTag']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(WRITE_MS, bounded, this.inner.deleteTag(repo, tag, condition, bounded, guard));
  }

  override tags(repo: RepositoryName, page: PageRequest, caller: Caller): ReturnType<Registry['tags']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(READ_MS, bounded, this.inner.tags(repo, page, bounded));
  }

  override repositories(
    page: PageRequest,
    caller: Caller,
    base?: RepositoryName,
  ): ReturnType<Registry['repositories']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(CATALOG_MS, bounded, this.inner.repositories(page, bounded, base));
  }

  override referrers(
    repo: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): ReturnType<Registry['referrers']> {
    const bounded = new CallerWithDeadline(caller);
    return this.#bound(READ_MS, bounded, this.inner.referrers(repo, subject, request, bounded));
  }

  /** A synchronous answer starts no timer. A promise that has already settled cancels its timer at once. */
  #bound<A>(milliseconds: number, bounded: CallerWithDeadline, answer: A): A;
  #bound<T>(milliseconds: number, bounded: CallerWithDeadline, answer: T | Promise<T>): T | Promise<T> {
    return answer instanceof Promise ? this.#inTime(milliseconds, bounded, answer) : answer;
  }

  /** On its own, so that an answer from memory allocates nothing that the timer needs. */
  #inTime<T>(milliseconds: number, bounded: CallerWithDeadline, answer: Promise<T>): Promise<T> {
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
