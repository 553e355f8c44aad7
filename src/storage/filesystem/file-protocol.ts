// Messages between the serving thread and the threads that work on many files. A list of names is sent as one string,
// which Bun passes on without copying each name.

/** `list`: each path is a folder whose entries are wanted. `read`: each is a file whose bytes are wanted. */
export interface FileRequest {
  readonly kind: 'remove' | 'list' | 'read';
  readonly paths: string;
}

export type FileReply =
  | { readonly kind: 'removed'; readonly failures: readonly FileFailure[] }
  /** For each folder its entries, or why it could not be read. */
  | { readonly kind: 'listed'; readonly folders: readonly (string | FileFailure)[] }
  /** For each file the number of its bytes, or why they are not among the bytes of all, which are in the order of the request. */
  | {
      readonly kind: 'read';
      readonly files: readonly (number | 'missing' | 'large' | FileFailure)[];
      readonly bytes: Uint8Array<ArrayBuffer>;
    };

/** Longer files are not read by the thread. */
export const MAX_READ_BYTES = 64 * 1024;

export interface FileFailure {
  /** Index of the path in the request. */
  readonly index: number;
  readonly code: string | undefined;
  readonly message: string;
}

/** A character that occurs in no path. */
const SEPARATOR = '\0';
/** Marks a folder, in the place of a size. */
const FOLDER = '/';

export interface Entry {
  readonly name: string;
  /** undefined for a folder. */
  readonly size: number | undefined;
}

export function encodePaths(paths: readonly string[]): string {
  return paths.join(SEPARATOR);
}

export function decodePaths(text: string): string[] {
  return text.split(SEPARATOR);
}

export function encodeEntries(entries: readonly Entry[]): string {
  return entries.map(({ name, size }) => `${name}${SEPARATOR}${size ?? FOLDER}`).join(SEPARATOR);
}

export function decodeEntries(text: string): Entry[] {
  if (text === '') return [];
  const parts = text.split(SEPARATOR);
  return Array.from({ length: parts.length / 2 }, (_, n) => {
    const size = parts[2 * n + 1];
    return { name: parts[2 * n] ?? '', size: size === FOLDER ? undefined : Number(size) };
  });
}
