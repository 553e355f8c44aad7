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

/** Another process edits the file and does not finish. */
export class FileBusy extends Error {
  override readonly name = 'FileBusy';
}

/**
 * Changes a text file so that readers see the old text or the new one, after a crash too, and so that two edits at once both
 * count. The new file keeps mode and owner of the old one; a link to the file stays a link.
 * @param create makes a missing file, for its owner only; otherwise ENOENT is thrown
 * @param edit gives the new text; undefined leaves the file as it is. It runs under the lock
 * @throws FileBusy; errors of the system, such as EACCES, or EBUSY where the file is a mount of its own
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

/** Locks the file itself. After a wait, the locked file may have been replaced: then the new one is locked. */
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

/** Only then is the new name on the disk. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
