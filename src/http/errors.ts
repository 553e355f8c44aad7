import { type ErrorKind, RegistryError, Unanswered } from '../oci/errors.ts';
import { respond } from './response.ts';

/**
 * The codes of the spec's table, and our own: PRECONDITION_FAILED, those of cursors, and UNAVAILABLE and UNKNOWN for errors that are not
 * the client's fault.
 */
type Code =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'CURSOR_INVALID'
  | 'CURSOR_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PRECONDITION_FAILED'
  | 'SIZE_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'UNAVAILABLE'
  | 'UNKNOWN';

const TABLE: Readonly<Record<ErrorKind, readonly [status: number, code: Code]>> = {
  'name-invalid': [400, 'NAME_INVALID'],
  'name-unknown': [404, 'NAME_UNKNOWN'],
  'tag-invalid': [400, 'MANIFEST_INVALID'],
  'digest-invalid': [400, 'DIGEST_INVALID'],
  'digest-mismatch': [400, 'DIGEST_INVALID'],
  'size-mismatch': [400, 'SIZE_INVALID'],
  'request-invalid': [400, 'UNSUPPORTED'],
  'too-many-tags': [414, 'UNSUPPORTED'],
  'precondition-failed': [412, 'PRECONDITION_FAILED'],
  'cursor-invalid': [400, 'CURSOR_INVALID'],
  'cursor-unknown': [400, 'CURSOR_UNKNOWN'],
  'range-unsatisfiable': [416, 'SIZE_INVALID'],
  'range-invalid': [400, 'BLOB_UPLOAD_INVALID'],
  'blob-unknown': [404, 'BLOB_UNKNOWN'],
  'blob-referenced': [405, 'UNSUPPORTED'],
  'upload-unknown': [404, 'BLOB_UPLOAD_UNKNOWN'],
  'upload-out-of-order': [416, 'BLOB_UPLOAD_INVALID'],
  'upload-busy': [409, 'BLOB_UPLOAD_INVALID'],
  'upload-interrupted': [400, 'BLOB_UPLOAD_INVALID'],
  'upload-stalled': [408, 'BLOB_UPLOAD_INVALID'],
  'manifest-unknown': [404, 'MANIFEST_UNKNOWN'],
  'manifest-invalid': [400, 'MANIFEST_INVALID'],
  'manifest-too-large': [413, 'MANIFEST_INVALID'],
  'manifest-references-unknown': [404, 'MANIFEST_BLOB_UNKNOWN'],
  'route-unknown': [404, 'UNSUPPORTED'],
  'method-not-allowed': [405, 'UNSUPPORTED'],
  'delete-disabled': [405, 'UNSUPPORTED'],
  'object-unknown': [404, 'UNSUPPORTED'],
  'read-only': [405, 'UNSUPPORTED'],
  replica: [405, 'UNSUPPORTED'],
  // To the registry that this one is a replica of.
  elsewhere: [307, 'UNSUPPORTED'],
  'writes-paused': [503, 'UNAVAILABLE'],
  unauthorized: [401, 'UNAUTHORIZED'],
  denied: [403, 'DENIED'],
  'too-many-requests': [429, 'TOOMANYREQUESTS'],
  'storage-full': [507, 'UNAVAILABLE'],
  'log-broken': [500, 'UNKNOWN'],
  'content-damaged': [500, 'UNKNOWN'],
  // This response is never received. The status, which nginx uses, is for the log and the metrics.
  'client-gone': [499, 'UNSUPPORTED'],
  draining: [503, 'UNAVAILABLE'],
  overloaded: [503, 'UNAVAILABLE'],
  unavailable: [503, 'UNAVAILABLE'],
};

/** Errors of resources that can be read but not changed. */
const READ_ONLY_KINDS: ReadonlySet<ErrorKind> = new Set([
  ...(['delete-disabled', 'blob-referenced', 'read-only', 'replica'] as const),
]);

/** How long a client should wait before it retries, in seconds, if nothing else is known. */
const RETRY_AFTER = 5;

/**
 * Renders an error as a response in the spec's format. Only this function maps errors to statuses. Any error other than RegistryError
 * and Unanswered is a defect, whose details the client does not see.
 * @param challenge of a response with 401, for its WWW-Authenticate
 * @param target path and query of the request, which a redirect keeps
 */
export function renderError(error: unknown, head: boolean, challenge?: string, target = '/'): Response {
  const isKnown = error instanceof RegistryError || error instanceof Unanswered;
  const known = error instanceof RegistryError ? error : new RegistryError('unavailable', messageFor(error));
  const [status, code] = isKnown ? TABLE[known.kind] : ([500, 'UNKNOWN'] as const);
  const detail = known.detail === undefined ? {} : { detail: known.detail };
  const body = new TextEncoder().encode(JSON.stringify({ errors: [{ code, message: known.message, ...detail }] }));
  const headers: Record<string, string> = {
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    // An error may be gone a moment later, for example when a missing blob is pushed.
    'Cache-Control': 'no-store',
    'Docker-Distribution-Api-Version': 'registry/2.0',
  };
  if (status === 429 || status === 503 || status === 507) headers['Retry-After'] = retryAfter(known);
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge;
  if (known.kind === 'method-not-allowed') headers.Allow = allowed(known);
  if (READ_ONLY_KINDS.has(known.kind)) headers.Allow = 'GET, HEAD';
  if (known.kind === 'elsewhere') headers.Location = `${known.detail?.primary ?? ''}${target}`;
  // "A server generating a 416 … SHOULD generate a Content-Range header field specifying the current length".
  const size = known.kind === 'range-unsatisfiable' ? known.detail?.size : undefined;
  if (size !== undefined) headers['Content-Range'] = `bytes */${size}`;
  return respond(head ? null : body, { status, headers });
}

/** What the client sees of an error. */
export function messageFor(error: unknown): string {
  if (error instanceof RegistryError) return error.message;
  return error instanceof Unanswered
    ? 'the storage of the registry does not respond: try again'
    : 'the registry failed to process the request: try again';
}

function retryAfter({ detail }: RegistryError): string {
  const seconds = detail?.retryAfter;
  return String(typeof seconds === 'number' ? Math.max(1, Math.ceil(seconds)) : RETRY_AFTER);
}

function allowed({ detail }: RegistryError): string {
  const methods = detail?.allow;
  return Array.isArray(methods) ? methods.join(', ') : '';
}
