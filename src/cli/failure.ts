import { ConfigError } from '../config.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { StoreRefused } from '../storage/prepare.ts';
import { codeOf } from '../system/error-code.ts';
import { OutputClosed } from './output.ts';

/** Exit codes, which scripts rely on. */
export const EXIT = {
  ok: 0,
  /** The command ran with a negative result, for example faults were found, or the tag never existed. */
  negative: 1,
  /** The command could not run, or could not finish. */
  failed: 2,
  /** The reader of the output has gone. Shells show 128 + 13 for programs that SIGPIPE ends, as it does most of them then. */
  outputClosed: 141,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Errors that say nothing about the request itself. */
const COULD_NOT_RUN: ReadonlySet<ErrorKind> = new Set([
  'unavailable',
  'storage-full',
  'read-only',
  'writes-paused',
  'replica',
]);

/** A command that cannot do what was requested; the message is one line. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Prints the failure: one line for what the operator can fix, a stack for a defect. */
export function reportFailure(error: unknown): ExitCode {
  if (error instanceof OutputClosed) return EXIT.outputClosed;
  if (error instanceof CommandError) {
    console.error(`marina: ${error.message}`);
    return error.code;
  }
  if (error instanceof RegistryError && error.kind === 'log-broken') {
    console.error(`marina: ${error.message}; to check it, run: fsck ${error.detail?.repo ?? ''}`);
    return EXIT.negative;
  }
  if (error instanceof RegistryError) {
    console.error(`marina: ${error.message}`);
    return COULD_NOT_RUN.has(error.kind) ? EXIT.failed : EXIT.negative;
  }
  const isPlain = error instanceof ConfigError || error instanceof StoreRefused || codeOf(error) !== undefined;
  if (isPlain && error instanceof Error) console.error(`marina: ${error.message}`);
  else console.error(error);
  return EXIT.failed;
}
