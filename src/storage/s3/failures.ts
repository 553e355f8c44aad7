import { RegistryError, Unanswered } from '../../oci/errors.ts';

/** The facts in an error of the SDK, of fetch or of a socket. */
export interface Failure {
  /** S3's code, or the class of the error. */
  readonly name: string;
  /** The system's code: ECONNREFUSED, DEPTH_ZERO_SELF_SIGNED_CERT. */
  readonly code: string | undefined;
  /** undefined if there was no response. */
  readonly status: number | undefined;
  readonly message: string;
}

/** The store did not say in time whether the operation happened. */
export class NoAnswer extends Unanswered {
  override readonly name = 'NoAnswer';

  constructor(operation: string, cause: unknown) {
    super(`the object store gave no answer to ${operation}`, { cause });
  }
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: '', code: undefined, status: undefined, message: String(error) };
  const metadata = field(error, '$metadata');
  const status = typeof metadata === 'object' && metadata !== null ? field(metadata, 'httpStatusCode') : undefined;
  const code = field(error, 'code');
  return {
    name: error.name,
    code: typeof code === 'string' ? code : undefined,
    status: typeof status === 'number' ? status : undefined,
    message: error.message,
  };
}

function field(object: object, name: string): unknown {
  return name in object ? Reflect.get(object, name) : undefined;
}

/** Codes of a store that is busy or broken, or that received bytes with another checksum. S3 may also send them after a 200. */
const TRANSIENT = new Set([
  'BadDigest',
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'XAmzContentChecksumMismatch',
]);

/** The status of a store without space. */
const FULL = 507;

/** Whether the same request may succeed when it is retried. */
export function isTransient(error: unknown): boolean {
  const { name, code, status } = failureOf(error);
  if (TRANSIENT.has(name)) return true;
  if (isUntrusted(code)) return false;
  if (name === 'CredentialsProviderError') return false;
  return (
    status === undefined || status === 408 || status === 429 || (status >= 500 && status !== FULL && status !== 501)
  );
}

/** Whether the certificate is untrusted: no retry changes that. */
export function isUntrusted(code: string | undefined): boolean {
  return code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code);
}

export function isMissing(error: unknown): boolean {
  const { name, status } = failureOf(error);
  return status === 404 && (name === 'NoSuchKey' || name === 'NotFound');
}

export function isPreconditionFailed(error: unknown): boolean {
  return failureOf(error).status === 412;
}

/** Whether another conditional write of the same key is in flight, so that the request must be retried. */
export function isConflict(error: unknown): boolean {
  return failureOf(error).status === 409;
}

export function isUploadGone(error: unknown): boolean {
  return failureOf(error).name === 'NoSuchUpload';
}

/** Whether a part differs from the recorded one: another holder overwrote its number, or the store lost it. */
export function isPartGone(error: unknown): boolean {
  const { name } = failureOf(error);
  return name === 'InvalidPart' || name === 'InvalidPartOrder';
}

/** `storage-full` if the store has no space, which it reports before it writes; every other error unchanged. */
export function toStorageError(error: unknown): unknown {
  const { name, status } = failureOf(error);
  if (status !== FULL && !/StorageFull|QuotaExceeded/.test(name)) return error;
  return new RegistryError('storage-full', 'there is no space left in the storage: try again later', undefined, error);
}
