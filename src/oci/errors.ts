/**
 * Every reason for refusing a request, in the registry's own words. Only `http/errors.ts` maps a kind to a status and to a code of
 * the spec.
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
  | 'precondition-failed'
  | 'cursor-invalid'
  | 'cursor-unknown'
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
  | 'object-unknown'
  | 'read-only'
  | 'replica'
  | 'elsewhere'
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

/** Facts that a client can act on; small JSON values only. */
export type ErrorDetail = Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

/** The only errors that are shown to clients. Anything else that is thrown is a defect. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly kind: ErrorKind;
  readonly detail: ErrorDetail | undefined;

  /** @param message says what is wrong and what to do; never contains a path or a stack */
  constructor(kind: ErrorKind, message: string, detail?: ErrorDetail, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.detail = detail;
  }
}

/**
 * A store did not answer in time, so the operation may or may not have happened. This is not a refusal: callers that can retry do so,
 * and clients get an error that asks them to retry.
 */
export class Unanswered extends Error {
  override readonly name: string = 'Unanswered';
}

/** For the `default` of a switch over a discriminated union: it does not compile while a case is missing. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
