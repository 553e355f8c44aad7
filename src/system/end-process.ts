import { FFIType } from 'bun:ffi';
import { loadLibc } from './libc.ts';

/** Ends the process at once, on whichever thread this is called. In a Worker, process.exit would end only that thread. */
export function endProcess(code: number): never {
  if (!Bun.isMainThread) {
    const { _exit: exit } = loadLibc({ _exit: { args: [FFIType.i32], returns: FFIType.void } });
    exit(code);
  }
  process.exit(code);
}
