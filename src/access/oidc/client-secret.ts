import { readBoundedFile } from '../bounded-file.ts';
import type { WebClient } from '../rules/issuer.ts';
import { IssuerProblem } from './issuer-problem.ts';

const MAX_BYTES = 4_096;

/**
 * Reads the secret of a client. It is read at each use, so a changed file needs no restart.
 * @returns undefined for a public client
 * @throws IssuerProblem; its message shows no part of the secret
 */
export async function readClientSecret({ clientSecretFile: path }: WebClient): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readBoundedFile(path, MAX_BYTES);
  if (typeof bytes === 'string') throw new IssuerProblem(`${path} cannot be used: ${bytes}`);
  const secret = bytes.toString().replace(/\r?\n$/, '');
  if (!/^[\x20-\x7e]+$/.test(secret)) throw new IssuerProblem(`${path} is not one line of printable characters`);
  return secret;
}
