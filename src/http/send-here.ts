import type { FileResponse } from './context.ts';
import { respond } from './response.ts';

/**
 * Sends a file from this thread: the kernel copies it to the socket. The store has just opened the file. Bun opens it again by name,
 * before this thread does anything else, because Bun does not close a descriptor it is given and cannot send a range of one
 * (docs/decisions/0050).
 */
export function sendHere({ status, headers, path, start, end }: FileResponse): Response {
  // Bun would otherwise put the name of the stored file into this header.
  const unnamed = { ...headers, 'Content-Disposition': 'attachment' };
  return respond(status === 200 ? Bun.file(path) : Bun.file(path).slice(start, end), { status, headers: unnamed });
}
