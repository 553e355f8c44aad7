import { chmodSync, lstatSync, mkdirSync } from 'node:fs';

/**
 * The modes of all that Marina makes on a disk: what it keeps is other people's images, and their upload sessions. They are given with each
 * call that makes a file or folder, so that no umask can widen them.
 */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_FOLDER = 0o700;

/** Makes a folder, with all that is missing above it, that only its owner may enter. One that is there stays as it is. */
export function makePrivateFolder(path: string): string | undefined {
  return mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER });
}

/**
 * Closes a folder of this process's own user to everybody else. A mount point may belong to root, as with Kubernetes' fsGroup: that one
 * stays as it is.
 * @returns its mode until now where it was open to others
 */
export function closeToOthers(path: string): number | undefined {
  const { uid, mode } = lstatSync(path);
  const permissions = mode & 0o777;
  if (uid !== process.geteuid?.() || (permissions & 0o077) === 0) return undefined;
  chmodSync(path, PRIVATE_FOLDER);
  return permissions;
}
