import { chmodSync, lstatSync, mkdirSync } from 'node:fs';

/**
 * The modes of everything that Marina creates on a disk, since it holds other people's images and upload sessions.
 * They are passed to each call that creates a file or folder: a umask can only narrow them.
 */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/**
 * Makes a folder and its missing parents, accessible to the owner only. An existing folder is not changed.
 * @returns the first folder that was made
 */
export function makePrivateFolder(path: string): string | undefined {
  return mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER });
}

/**
 * Makes a folder private if this process's user owns it. A mount point may belong to root, as with an fsGroup of
 * Kubernetes; it is not changed.
 * @returns its former mode if others had access
 */
export function closeToOthers(path: string): number | undefined {
  const { uid, mode } = lstatSync(path);
  const permissions = mode & 0o777;
  if (uid !== process.geteuid?.() || (permissions & 0o077) === 0) return undefined;
  chmodSync(path, PRIVATE_FOLDER);
  return permissions;
}
