import { FFIType } from 'bun:ffi';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { loadLibc } from './libc.ts';
import { PRIVATE_FILE } from './private-files.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_WRONLY } = constants;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_WITHIN_MS = 10_000;
const LOCK_RETRY_MS = 50;

/** Another process holds the file's lock for too long. */
export class FileBusy extends Error {
  override readonly name = 'FileBusy';
}

/**
 * Edits a text file atomically: readers see the old or the new text, even after a crash, and no concurrent edit is lost. The new file
 * keeps the mode and owner of the old one, and a symbolic link to the file stays a link.
 * @param create creates a missing file, readable by its owner only; otherwise ENOENT is thrown
 * @param edit returns the new text, or undefined to leave the file unchanged; it runs under the lock
 * @throws FileBusy; system errors such as EACCES, or EBUSY if the file is a mount point
 */
export async function editFile(
  path: string,
  { create }: { readonly create: boolean },
  edit: (text: string) => string | undefined,
): Promise<void> {
  const { descriptor, target } = await lock(path, create);
  try {
    const text = edit(readFileSync(descriptor, 'utf8'));
    if (text !== undefined) replace(target, text, fstatSync(descriptor));
  } finally {
    // This releases the lock.
    closeSync(descriptor);
  }
}

/** Locks the file itself. If the file was replaced during the wait, locks the new one. */
async function lock(path: string, create: boolean): Promise<{ readonly descriptor: number; readonly target: string }> {
  const { flock } = loadLibc({ flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
  const deadline = performance.now() + LOCK_WITHIN_MS;
  for (;;) {
    const descriptor = openSync(path, create ? O_RDWR | O_CREAT : O_RDWR, PRIVATE_FILE);
    const target = realpathSync(path);
    if (flock(descriptor, LOCK_EX | LOCK_NB) === 0 && fstatSync(descriptor).ino === inodeOf(target))
      return { descriptor, target };
    closeSync(descriptor);
    if (performance.now() > deadline) throw new FileBusy(`${path} is being changed by another process: try again`);
    await Bun.sleep(LOCK_RETRY_MS);
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

function replace(path: string, text: string, old: Stats): void {
  const folder = dirname(path);
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    const descriptor = openSync(temporary, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, PRIVATE_FILE);
    try {
      const { uid, gid } = fstatSync(descriptor);
      if (uid !== old.uid || gid !== old.gid) fchownSync(descriptor, old.uid, old.gid);
      fchmodSync(descriptor, old.mode & 0o777);
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(folder);
}

/** Makes the rename durable. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
