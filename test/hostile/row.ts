import type { Site } from './site.ts';
import type { Piece } from './wire.ts';

/** Error codes of the spec for client errors. */
export type Code =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNSUPPORTED';

export type Expected =
  /** The registry's own response; `unseen` for HEAD, which shows no code. */
  | { readonly status: number; readonly code: Code | 'unseen' }
  /** Bun responds before Marina's code sees the request: a status without a body, and the connection is closed. */
  | { readonly bare: number }
  /** Bun closes the connection without a response. */
  | { readonly closed: true };

/** The target of a row: the site, and a separate upload with the bytes of UPLOADED. */
export interface Target extends Site {
  readonly upload: string;
}

export interface Row {
  readonly name: string;
  readonly pieces: (target: Target) => readonly Piece[];
  readonly expected: Expected;
  /** The request gets an upload, which must afterwards be at its old offset, or at most at `keeps`. */
  readonly upload?: { readonly keeps?: number };
}

export function refused(status: number, code: Code): Expected {
  return { status, code };
}

export const NAME_INVALID = refused(400, 'NAME_INVALID');
export const DIGEST_INVALID = refused(400, 'DIGEST_INVALID');
export const MANIFEST_INVALID = refused(400, 'MANIFEST_INVALID');
export const SIZE_INVALID = refused(400, 'SIZE_INVALID');
export const UPLOAD_INVALID = refused(400, 'BLOB_UPLOAD_INVALID');
export const UPLOAD_UNKNOWN = refused(404, 'BLOB_UPLOAD_UNKNOWN');
export const UNSATISFIABLE = refused(416, 'SIZE_INVALID');
export const NOTHING_HERE = refused(404, 'UNSUPPORTED');
export const NOT_ALLOWED = refused(405, 'UNSUPPORTED');
export const REQUEST_INVALID = refused(400, 'UNSUPPORTED');
export const BARE_400: Expected = { bare: 400 };
