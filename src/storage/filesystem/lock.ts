import { dlopen, FFIType } from 'bun:ffi';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

const LOCK_EX = 2;
const LOCK_NB = 4;

/** The C library under the names it has on the systems that Bun runs on. */
const LIBRARIES =
  process.platform === 'darwin'
    ? ['libSystem.dylib']
    : ['libc.so.6', 'libc.so', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`];

function loadFlock(): (descriptor: number, operation: number) => number {
  const failures: string[] = [];
  for (const library of LIBRARIES) {
    try {
      const loaded = dlopen(library, { flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
      return (descriptor, operation) => loaded.symbols.flock(descriptor, operation);
    } catch (error) {
      failures.push(`${library}: ${String(error)}`);
    }
  }
  throw new Error(`the data folder cannot be locked, no C library was found (${failures.join('; ')})`);
}

/** A kernel lock: kill -9 and a vanished container free it, which a pid file would not. */
export class FolderLock {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** @returns undefined when another process holds the folder. */
  static take(root: string): FolderLock | undefined {
    const descriptor = openSync(join(root, 'lock'), 'a');
    if (loadFlock()(descriptor, LOCK_EX | LOCK_NB) === 0) return new FolderLock(descriptor);
    closeSync(descriptor);
    return undefined;
  }

  release(): void {
    closeSync(this.#descriptor);
  }
}
