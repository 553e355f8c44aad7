import { FFIType } from 'bun:ffi';
import { closeSync, constants, fchmodSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { loadLibc } from '../../system/libc.ts';
import { PRIVATE_FILE } from '../../system/private-files.ts';

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** A kernel lock: it is released by kill -9 and by the end of a container, unlike a pid file. */
export class FolderLock {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /**
   * @param shared with other processes that share it
   * @returns undefined if another process holds the folder
   */
  static take(root: string, shared = false): FolderLock | undefined {
    // O_RDWR, not O_WRONLY: "In order to place a shared lock, fd must be open for reading" (flock(2), on NFS).
    const descriptor = openSync(join(root, 'lock'), O_RDWR | O_CREAT | O_NOFOLLOW, PRIVATE_FILE);
    // Any user who can open the file can lock it, and earlier versions made it readable by all users.
    if (fstatSync(descriptor).uid === process.geteuid?.()) fchmodSync(descriptor, PRIVATE_FILE);
    const { flock } = loadLibc({ flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
    if (flock(descriptor, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return new FolderLock(descriptor);
    closeSync(descriptor);
    return undefined;
  }

  release(): void {
    closeSync(this.#descriptor);
  }
}
