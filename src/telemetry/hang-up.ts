import { isatty } from 'node:tty';
import type { Logger } from './log.ts';

const STDIN = 0;
const STDOUT = 1;

/**
 * Handles SIGHUP, by which a process would otherwise end at once, with all requests in progress. Many servers read their files again
 * when it is sent to them, so operators send it. Ours read them again without it, so it only adds a line to the log.
 * @param stop if the process was started in a terminal, which is gone then
 */
export function onHangUp(stop: (signal: NodeJS.Signals) => void, logger: Logger): void {
  const isInTerminal = isatty(STDIN) || isatty(STDOUT);
  process.on('SIGHUP', (signal) => {
    if (isInTerminal) stop(signal);
    else logger.info({ signal }, 'the signal is ignored: changed files are read again without it');
  });
}
