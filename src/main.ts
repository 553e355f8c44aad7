// Bun sizes its thread pool when it loads a second file, with one thread for each processor. Threads that wait for the disk need no
// processor, and file systems combine concurrent syncs into one transaction, so more threads are better. Therefore this file sets the
// size first and loads everything else afterwards. The pool reads the C library's environment, not process.env.
import { dlopen, FFIType } from 'bun:ffi';

const DEFAULT_IO_THREADS = '32';
const LIBRARIES = { darwin: ['libSystem.dylib'], linux: ['libc.so.6', `libc.musl-${musl(process.arch)}.so.1`] };

function musl(arch: string): string {
  return arch === 'arm64' ? 'aarch64' : 'x86_64';
}

function setEnvironment(name: string, value: string): void {
  for (const library of LIBRARIES[process.platform === 'darwin' ? 'darwin' : 'linux']) {
    try {
      const { symbols } = dlopen(library, {
        setenv: { args: [FFIType.cstring, FFIType.cstring, FFIType.i32], returns: FFIType.i32 },
      });
      symbols.setenv(Buffer.from(`${name}\0`), Buffer.from(`${value}\0`), 0);
      return;
    } catch {
      // This is another C library. If none can be loaded, the pool keeps its size: pushes wait longer for the disk, but all works.
    }
  }
}

const { IO_THREADS } = process.env;
// An invalid value is refused later, when all settings are read.
setEnvironment('UV_THREADPOOL_SIZE', IO_THREADS !== undefined && IO_THREADS !== '' ? IO_THREADS : DEFAULT_IO_THREADS);

const { start } = await import('./start.ts');
await start();
