import { CommandError, EXIT, type ExitCode } from '../failure.ts';

/** An interrupted command ends its hold and leaves no temporary files. A second interrupt ends it at once. */
export async function untilInterrupted(work: (signal: AbortSignal) => Promise<ExitCode>): Promise<ExitCode> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    return await work(interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted)
      throw new CommandError(EXIT.failed, 'interrupted: what was copied stays for the next run');
    throw error;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
