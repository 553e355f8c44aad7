import { STATUS_CODES } from 'node:http';
import type { Senders } from '../sending/senders.ts';
import { type BunServer, IDLE_SECONDS } from './bun-server.ts';
import type { FileAnswer, Seen } from './context.ts';
import { NO_SNIFFING, respond } from './response.ts';
import type { StoredFile } from './stored-file.ts';

/**
 * Bytes from which a body is sent by a thread of its own. Its connection is closed afterwards, and the client opens another one: less
 * than what is won from here on.
 */
export const HANDED_OVER_FROM = 8 * 1024 * 1024;

export interface HandOverPorts {
  readonly request: Request;
  readonly server: BunServer;
  readonly seen: Seen;
  readonly senders: Senders | undefined;
  /** The client was told that more would come. */
  readonly failed: (message: string) => void;
}

/**
 * Lends the connection of a request to a sending thread, which answers in place of this one (docs/decisions/0027).
 * @param file closed at the end, if it is handed over
 * @returns undefined where the answer has to be given here after all. Else, once the connection is closed, what was answered: nobody
 * gets to see that.
 */
export function handOver(answer: FileAnswer, file: StoredFile, ports: HandOverPorts): Promise<Response> | undefined {
  const { request, server, senders } = ports;
  const { start, end } = answer;
  if (senders === undefined || end - start < HANDED_OVER_FROM) return undefined;
  const peer = server?.requestIP(request);
  const localPort = server?.port;
  if (!peer || localPort === undefined) return undefined;
  // No wait since Bun said whose request this is: it closes connections on this thread only.
  const sent = senders.send({ peer, localPort, head: headOf(answer), file: file.descriptor, start, end });
  if (sent === undefined) return undefined;
  return followed(sent, answer, ports).finally(() => file.close());
}

async function followed(
  sending: NonNullable<ReturnType<Senders['send']>>,
  { status, headers }: FileAnswer,
  { request, server, seen, failed }: HandOverPorts,
): Promise<Response> {
  const closed = closingOf(request);
  server?.timeout(request, 0);
  const sent = await sending;
  server?.timeout(request, IDLE_SECONDS);
  seen.sent = sent.sent;
  if (sent.outcome.kind === 'failed') failed(sent.outcome.message);
  // Bun must not be answered before: it would wait for a turn to send that.
  await closed;
  return respond(null, { status, headers });
}

function closingOf({ signal }: Request): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** "A server that does not support persistent connections MUST send the "close" connection option" (RFC 9112, section 9.6). */
function headOf({ status, headers }: FileAnswer): Uint8Array {
  const fields = { ...headers, ...NO_SNIFFING, Date: new Date().toUTCString(), Connection: 'close' };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`, 'latin1');
}
