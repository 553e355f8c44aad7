import type { Config } from '../config.ts';
import type { Logger } from '../telemetry/log.ts';

/**
 * Bun sizes its pool for blocking disk I/O once, when the process starts, by UV_THREADPOOL_SIZE. `npm start` and the image derive it from
 * IO_THREADS. Logs a warning if the process was started in another way: everything works, but pushes wait longer for the disk.
 */
export function warnOfPoolSize({ ioThreads }: Config, logger: Logger): void {
  if (process.env.UV_THREADPOOL_SIZE === String(ioThreads)) return;
  logger.warn(
    `IO_THREADS has no effect: start with npm start, or set UV_THREADPOOL_SIZE=${ioThreads} in the environment of bun`,
  );
}
