import { dlopen, type FFIFunction, type Library } from 'bun:ffi';

/** Names of the C library on the systems that Bun supports. */
const LIBRARIES =
  process.platform === 'darwin'
    ? ['libSystem.dylib']
    : ['libc.so.6', 'libc.so', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`];

/**
 * Functions of the C library for which Bun has no API.
 * @throws Error with what was tried, if no C library is found
 */
export function loadLibc<const Functions extends Record<string, FFIFunction>>(
  functions: Functions,
): Library<Functions>['symbols'] {
  const failures: string[] = [];
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, functions).symbols;
    } catch (error) {
      failures.push(`${library}: ${String(error)}`);
    }
  }
  throw new Error(`no C library was found (${failures.join('; ')})`);
}
