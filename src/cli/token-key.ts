import { makeTokenKey } from '../access/tokens/keys.ts';
import { EXIT, type ExitCode } from './failure.ts';
import type { Output } from './output.ts';

/** `token-key`: prints a new key, without storing it. */
export async function printTokenKey(output: Output): Promise<ExitCode> {
  await output.line(makeTokenKey().trimEnd());
  return EXIT.ok;
}
