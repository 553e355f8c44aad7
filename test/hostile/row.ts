import type { Site } from './site.ts';
import type { Piece } from './wire.ts';

/** Codes of the spec's table that a client's mistake can have. */
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
  /** The registry's own answer; of a HEAD the code cannot be seen. */
  | { readonly status: number; readonly code: Code | 'unseen' }
  /** Bun answers before the registry's code sees the request: a status without a body, and the connection is closed. */
  | { readonly bare: number }
  /** Bun closes the connection without a word. */
  | { readonly closed: true };

/** What a row is aimed at: the site, and an upload of its own with the bytes of UPLOADED in it. */
export interface Target extends Site {
  readonly upload: string;
}

export interface Row {
  readonly name: string;
  readonly pieces: (target: Target) => readonly Piece[];
  readonly expected: Expected;
  /** The request has an upload of its own, which must stand afterwards where it stood before, or with bytes up to `keeps`. */
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
