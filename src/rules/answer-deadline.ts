import type { Caller } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Registry } from '../registry/interface.ts';
import { Forwarding } from './forwarding.ts';

/** Milliseconds from the request on. */
const READ_MS = 10_000;
/** A write has ten seconds to be confirmed by its log, after a look or two at the store. */
const WRITE_MS = 12_000;
/** Where the catalog was not looked at yet, a page of it looks at the log of each repository. */
const CATALOG_MS = 60_000;

/** Calls `late` after so many milliseconds, unless it is cancelled. @returns what cancels it */
export type StartTimer = (milliseconds: number, late: () => void) => () => void;

export const startTimer: StartTimer = (milliseconds, late) => {
  const timer = setTimeout(late, milliseconds);
  return () => clearTimeout(timer);
};

/** The caller of one request, whose signal is aborted at the deadline too. */
class Patient implements Caller {
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

  /** Made when it is first needed: what is answered from memory never looks at it. */
  get signal(): AbortSignal {
    this.#late ??= new AbortController();
    this.#signal ??= AbortSignal.any([this.#caller.signal, this.#late.signal]);
    return this.#signal;
  }

  giveUp(error: RegistryError): void {
    this.#late?.abort(error);
  }
}

/**
 * A request that is not answered in time is answered with `unavailable`, however many looks at the store it takes one after
 * another. What only this request needed is given up; work that others share goes on, so that a later attempt finds it done. Requests that
 * bring the bytes of a blob have no such deadline: their clients set the pace.
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
    return this.#bound(READ_MS, caller, (patient) => this.inner.getBlob(repo, digest, patient, delivery));
  }

  override resolveBlob(
    ...[repo, digest, caller]: Parameters<Registry['resolveBlob']>
  ): ReturnType<Registry['resolveBlob']> {
    return this.#bound(READ_MS, caller, (patient) => this.inner.resolveBlob(repo, digest, patient));
  }

  override getManifest(
    ...[repo, reference, caller]: Parameters<Registry['getManifest']>
  ): ReturnType<Registry['getManifest']> {
    return this.#bound(READ_MS, caller, (patient) => this.inner.getManifest(repo, reference, patient));
  }

  override resolveManifest(
    ...[repo, reference, caller]: Parameters<Registry['resolveManifest']>
  ): ReturnType<Registry['resolveManifest']> {
    return this.#bound(READ_MS, caller, (patient) => this.inner.resolveManifest(repo, reference, patient));
  }

  override renewBlob(...[repo, digest, caller]: Parameters<Registry['renewBlob']>): ReturnType<Registry['renewBlob']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.renewBlob(repo, digest, patient));
  }

  override renewManifest(
    ...[repo, reference, caller]: Parameters<Registry['renewManifest']>
  ): ReturnType<Registry['renewManifest']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.renewManifest(repo, reference, patient));
  }

  override startUpload(
    ...[repo, algorithm, caller]: Parameters<Registry['startUpload']>
  ): ReturnType<Registry['startUpload']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.startUpload(repo, algorithm, patient));
  }

  override uploadStatus(
    ...[repo, id, caller]: Parameters<Registry['uploadStatus']>
  ): ReturnType<Registry['uploadStatus']> {
    return this.#bound(READ_MS, caller, (patient) => this.inner.uploadStatus(repo, id, patient));
  }

  override cancelUpload(
    ...[repo, id, caller]: Parameters<Registry['cancelUpload']>
  ): ReturnType<Registry['cancelUpload']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.cancelUpload(repo, id, patient));
  }

  override mountBlob(
    ...[repo, digest, from, caller]: Parameters<Registry['mountBlob']>
  ): ReturnType<Registry['mountBlob']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.mountBlob(repo, digest, from, patient));
  }

  override pushManifest(
    ...[repo, manifest, caller, guard]: Parameters<Registry['pushManifest']>
  ): ReturnType<Registry['pushManifest']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.pushManifest(repo, manifest, patient, guard));
  }

  override deleteBlob(
    ...[repo, digest, caller]: Parameters<Registry['deleteBlob']>
  ): ReturnType<Registry['deleteBlob']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.deleteBlob(repo, digest, patient));
  }

  override deleteManifest(
    ...[repo, digest, caller, guard]: Parameters<Registry['deleteManifest']>
  ): ReturnType<Registry['deleteManifest']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.deleteManifest(repo, digest, patient, guard));
  }

  override deleteTag(
    ...[repo, tag, caller, guard]: Parameters<Registry['deleteTag']>
  ): ReturnType<Registry['deleteTag']> {
    return this.#bound(WRITE_MS, caller, (patient) => this.inner.deleteTag(repo, tag, patient, guard));
  }

  override tags(...[repo, page, caller]: Parameters<Registry['tags']>): ReturnType<Registry['tags']> {
    return this.#bound(READ_MS, caller, (patient) => this.inner.tags(repo, page, patient));
  }

  override repositories(...[page, caller]: Parameters<Registry['repositories']>): ReturnType<Registry['repositories']> {
    return this.#bound(CATALOG_MS, caller, (patient) => this.inner.repositories(page, patient));
  }

  override referrers(
    ...[repo, subject, request, caller]: Parameters<Registry['referrers']>
  ): ReturnType<Registry['referrers']> {
    return this.#bound(READ_MS, caller, (patient) => this.inner.referrers(repo, subject, request, patient));
  }

  /** What is answered at once, or is a promise already settled, costs no more than the promise: the timer is cancelled with it. */
  #bound<A>(milliseconds: number, caller: Caller, ask: (caller: Caller) => A): A;
  #bound<T>(milliseconds: number, caller: Caller, ask: (caller: Caller) => T | Promise<T>): T | Promise<T> {
    const patient = new Patient(caller);
    const answer = ask(patient);
    if (!(answer instanceof Promise)) return answer;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const cancel = this.#startTimer(milliseconds, () => {
      const error = new RegistryError(
        'unavailable',
        `there was no answer within ${milliseconds / 1000} seconds: try again`,
      );
      reject(error);
      patient.giveUp(error);
    });
    answer.then(resolve, reject).finally(cancel);
    return promise;
  }
}
