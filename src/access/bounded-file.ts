import { readFile, stat } from 'node:fs/promises';
import { codeOf } from '../system/error-code.ts';

export const NO_FILE = 'there is no such file';

/**
 * Reads a file that the operator named.
 * @param maxBytes maximum length of the file
 * @returns the bytes, or a one-line reason why the file cannot be used
 */
export async function readBoundedFile(path: string, maxBytes: number): Promise<Buffer | string> {
  try {
    const about = await stat(path);
    // A pipe can be read only once, and reading it would wait for its writer.
    if (!about.isFile()) return 'it is not a regular file';
    const bytes = about.size > maxBytes ? undefined : await readFile(path);
    return bytes === undefined || bytes.length > maxBytes ? `it is longer than ${maxBytes} bytes` : bytes;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return NO_FILE;
    // The message of a system error repeats the path.
    return `it cannot be read (${code ?? String(error)})`;
  }
}
