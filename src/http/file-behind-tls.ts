import { STATUS_CODES } from 'node:http';
import type { Connection } from './connection.ts';
import type { FileResponse } from './context.ts';
import { NO_SNIFFING, respond } from './response.ts';
import { StoredFile } from './stored-file.ts';

/** Smaller bodies go through this server like any others. */
const MIN_BYTES = 1024 * 1024;

interface Ports {
  readonly request: Request;
  readonly connection: Connection;
  /** The client gets fewer bytes than announced. */
  readonly failed: (message: string) => void;
}

/**
 * Lets the TLS front send a file: it reads and encrypts the file, which then does not pass through the connection between the two
 * (docs/decisions/0074).
 * @returns the response that stands for the file; undefined if this server must send it
 * @throws RegistryError `unavailable` if the file is gone
 */
export function sendBehindTls(answer: FileResponse, { request, connection, failed }: Ports): Response | undefined {
  const { path, size, start, end } = answer;
  if (end - start < MIN_BYTES) return undefined;
  const file = StoredFile.open(path, size);
  const done = (failure?: string): void => {
    file.close();
    if (failure !== undefined) failed(failure);
  };
  const mark = connection.sendInstead({ head: headOf(answer, request), file: file.descriptor, start, end, done });
  if (mark !== undefined) return respond(null, { headers: { 'Marina-Mark': mark } });
  file.close();
  return undefined;
}

function headOf({ status, headers }: FileResponse, request: Request): Uint8Array {
  // This server then closes the connection. It "SHOULD send a "close" connection option in its final response" (RFC 9112, section 9.6).
  const isLast = request.headers.get('connection')?.toLowerCase() === 'close';
  const fields = {
    ...headers,
    ...NO_SNIFFING,
    Date: new Date().toUTCString(),
    ...(isLast ? { Connection: 'close' } : {}),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`, 'latin1');
}
