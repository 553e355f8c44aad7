// Bun sizes its thread pool when it loads a second file, one thread for each processor. A thread that waits for the disk needs
// no processor, and file systems write what is synced at the same moment as one transaction: so the size is set first, and the
// rest is loaded afterwards. process.env does not reach the pool, the C library's environment does.
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
      // Another C library. Without any the pool keeps its size: everything works, pushes wait longer for the disk.
    }
  }
}

const { IO_THREADS } = process.env;
// A wrong value is refused a moment later, with all other settings.
setEnvironment('UV_THREADPOOL_SIZE', IO_THREADS !== undefined && IO_THREADS !== '' ? IO_THREADS : DEFAULT_IO_THREADS);

const { start } = await import('./start.ts');
await start();
