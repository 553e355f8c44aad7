/**
 * Everything that can be said "no" to. A kind is what went wrong in the registry's own words; `http/errors.ts` alone knows
 * which status and which code of the spec's table each one becomes.
 */
export type ErrorKind =
  | 'name-invalid'
  | 'name-unknown'
  | 'tag-invalid'
  | 'digest-invalid'
  | 'digest-mismatch'
  | 'size-mismatch'
  | 'request-invalid'
  | 'too-many-tags'
  | 'range-unsatisfiable'
  | 'range-invalid'
  | 'blob-unknown'
  | 'blob-referenced'
  | 'upload-unknown'
  | 'upload-out-of-order'
  | 'upload-busy'
  | 'upload-interrupted'
  | 'upload-stalled'
  | 'manifest-unknown'
  | 'manifest-invalid'
  | 'manifest-too-large'
  | 'manifest-references-unknown'
  | 'route-unknown'
  | 'method-not-allowed'
  | 'delete-disabled'
  | 'read-only'
  | 'writes-paused'
  | 'unauthorized'
  | 'denied'
  | 'too-many-requests'
  | 'storage-full'
  | 'log-broken'
  | 'content-damaged'
  | 'client-gone'
  | 'draining'
  | 'overloaded'
  | 'unavailable';

/** Extra facts a client can act on; small JSON values only. */
export type ErrorDetail = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** The one family of errors that is meant for whoever sent the request. Anything else that is thrown is a defect. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly kind: ErrorKind;
  readonly detail: ErrorDetail | undefined;

  /** @param message what is wrong and what to do about it; never a path, never a stack. */
  constructor(kind: ErrorKind, message: string, detail?: ErrorDetail, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.detail = detail;
  }
}

/**
 * A store gave no answer in time: what it was asked for may or may not have happened. No refusal, so that whoever can asks again;
 * a client to whom it comes is told to do so.
 */
export class Unanswered extends Error {
  override readonly name: string = 'Unanswered';
}

/** For the `default` of a switch over a discriminated union: does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
