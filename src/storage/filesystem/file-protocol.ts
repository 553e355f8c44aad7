// What the serving thread and those that do something with many files say to each other. Many names go as one text, which Bun hands over
// without making each of them anew.

/** `list`: each is a folder, its entries are asked for. */
export interface FileRequest {
  readonly kind: 'remove' | 'list';
  readonly paths: string;
}

export type FileReply =
  | { readonly kind: 'removed'; readonly failures: readonly FileFailure[] }
  /** Of each folder its entries, or why they cannot be told. */
  | { readonly kind: 'listed'; readonly folders: readonly (string | FileFailure)[] };

export interface FileFailure {
  /** Of its path in the request. */
  readonly index: number;
  readonly code: string | undefined;
  readonly message: string;
}

/** The character that is in no path, and in no name. */
const BETWEEN = '\0';
/** In the place of its size: a folder. */
const FOLDER = '/';

export interface Entry {
  readonly name: string;
  /** undefined for a folder. */
  readonly size: number | undefined;
}

export function encodePaths(paths: readonly string[]): string {
  return paths.join(BETWEEN);
}

export function decodePaths(text: string): string[] {
  return text.split(BETWEEN);
}

export function encodeEntries(entries: readonly Entry[]): string {
  return entries.map(({ name, size }) => `${name}${BETWEEN}${size ?? FOLDER}`).join(BETWEEN);
}

export function decodeEntries(text: string): Entry[] {
  if (text === '') return [];
  const parts = text.split(BETWEEN);
  return Array.from({ length: parts.length / 2 }, (_, n) => {
    const size = parts[2 * n + 1];
    return { name: parts[2 * n] ?? '', size: size === FOLDER ? undefined : Number(size) };
  });
}
