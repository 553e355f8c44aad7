import { FFIType } from 'bun:ffi';
import { closeSync, constants, fchmodSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { loadLibc } from '../../system/libc.ts';
import { PRIVATE_FILE } from '../../system/private-files.ts';

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** A kernel lock: kill -9 and a vanished container free it, which a pid file would not. */
export class FolderLock {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** @param shared with others that share it. @returns undefined when another process holds the folder. */
  static take(root: string, shared = false): FolderLock | undefined {
    // For reading too: "In order to place a shared lock, fd must be open for reading" (flock(2), on NFS).
    const descriptor = openSync(join(root, 'lock'), O_RDWR | O_CREAT | O_NOFOLLOW, PRIVATE_FILE);
    // Who may open it may lock it: one that an earlier version made could be opened by everybody.
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
