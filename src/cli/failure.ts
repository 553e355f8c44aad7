import { ConfigError } from '../config.ts';
import { RegistryError } from '../oci/errors.ts';
import { codeOf } from '../storage/filesystem/system-errors.ts';
import { StoreRefused } from '../storage/prepare.ts';
import { OutputClosed } from './output.ts';

/** What a command ends with; scripts rely on it. */
export const EXIT = {
  ok: 0,
  /** It ran, and the answer is no: faults were found, the tag never existed. */
  negative: 1,
  /** It could not run, or not to its end. */
  failed: 2,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command that cannot give what was asked for, said in one line. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Says what went wrong: what the operator can mend in one line, a defect with the place it comes from. */
export function reportFailure(error: unknown): ExitCode {
  if (error instanceof OutputClosed) return EXIT.failed;
  if (error instanceof CommandError) {
    console.error(`marina: ${error.message}`);
    return error.code;
  }
  if (error instanceof RegistryError && error.kind === 'log-broken') {
    console.error(`marina: ${error.message}; see what else is wrong with: fsck ${error.detail?.repo ?? ''}`);
    return EXIT.negative;
  }
  if (error instanceof RegistryError) {
    console.error(`marina: ${error.message}`);
    return error.kind === 'unavailable' || error.kind === 'storage-full' ? EXIT.failed : EXIT.negative;
  }
  const isPlain = error instanceof ConfigError || error instanceof StoreRefused || codeOf(error) !== undefined;
  if (isPlain && error instanceof Error) console.error(`marina: ${error.message}`);
  else console.error(error);
  return EXIT.failed;
}
