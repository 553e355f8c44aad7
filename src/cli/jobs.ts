import type { DeadLetter, JobBoard, JobCounts } from '../jobs/queue.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { formatTime, type Output, printable } from './output.ts';

export interface JobsOptions {
  readonly failed?: true;
  readonly retry?: string;
  readonly json?: true;
}

/** Only the newest dead letters are shown. */
const MAX_SHOWN = 100;
const COLUMNS = ['kind', 'waiting', 'active', 'delayed', 'failed', 'oldest'] as const;

/**
 * `jobs`: the state of a cluster's job queues; `--failed`: the dead letters; `--retry <id>`: retries one of them.
 */
export async function showJobs(options: JobsOptions, board: JobBoard, output: Output): Promise<ExitCode> {
  if (options.retry !== undefined) return await retryJob(options.retry, board, output);
  if (options.failed === true) return await showDeadLetters(options, board, output);
  const all = await board.counts();
  if (options.json !== true) await output.line(output.styled('dim', row(COLUMNS)));
  for (const counts of all) await (options.json === true ? output.json(counts) : output.line(readable(counts)));
  return EXIT.ok;
}

async function showDeadLetters(options: JobsOptions, board: JobBoard, output: Output): Promise<ExitCode> {
  const letters = await board.deadLetters(MAX_SHOWN);
  for (const letter of letters) {
    await (options.json === true ? output.json(letter) : output.line(describe(letter, output)));
  }
  if (letters.length === 0 && options.json !== true) await output.line('there are no dead letters');
  return EXIT.ok;
}

async function retryJob(id: string, board: JobBoard, output: Output): Promise<ExitCode> {
  if (!(await board.retry(id))) {
    throw new CommandError(EXIT.negative, `there is no dead letter ${printable(id)} that can be retried`);
  }
  await output.line(`${printable(id)} is queued again`);
  return EXIT.ok;
}

function readable({ kind, waiting, active, delayed, failed, oldestSeconds }: JobCounts): string {
  const numbers = [waiting, active, delayed, failed].map(String);
  return row([kind, ...numbers, `${oldestSeconds.toFixed(1)} s`]);
}

function row([first = '', ...others]: readonly string[]): string {
  return [first.padEnd('expire-uploads  '.length), ...others.map((each) => each.padStart(8))].join('  ');
}

function describe({ id, payload, attempts, reason, failedAt }: DeadLetter, output: Output): string {
  return [
    output.styled('dim', formatTime(new Date(failedAt).toISOString())),
    output.styled('yellow', printable(id)),
    printable(JSON.stringify(payload)),
    `${attempts} x`,
    output.styled('red', printable(reason)),
  ].join('  ');
}
