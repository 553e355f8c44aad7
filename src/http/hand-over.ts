import { STATUS_CODES } from 'node:http';
import type { FileSender } from '../sending/protocol.ts';
import { type BunServer, IDLE_SECONDS } from './bun-server.ts';
import type { FileResponse, RequestStats } from './context.ts';
import { NO_SNIFFING, respond } from './response.ts';
import { StoredFile } from './stored-file.ts';

/**
 * Smaller bodies are sent by the serving thread. A sending thread closes the connection afterwards, so the client must open a new one;
 * from this size on, the gain outweighs that cost.
 */
export const MIN_HAND_OVER = 8 * 1024 * 1024;

export interface HandOverPorts {
  readonly request: Request;
  readonly server: BunServer;
  readonly stats: RequestStats;
  readonly senders: FileSender | undefined;
  /** Called if sending fails after the head, when the client gets fewer bytes than announced. */
  readonly failed: (message: string) => void;
}

/**
 * Lends the connection of a request to a sending thread, which sends the response (docs/decisions/0027).
 * @returns undefined if the serving thread must respond itself. Otherwise resolves after the connection is closed; Bun drops the response.
 * @throws RegistryError `unavailable` if the file is gone
 */
export function handOver(answer: FileResponse, ports: HandOverPorts): Promise<Response> | undefined {
  const { request, server, senders } = ports;
  const { path, size, start, end } = answer;
  if (senders === undefined || end - start < MIN_HAND_OVER) return undefined;
  const peer = server?.requestIP(request);
  const localPort = server?.port;
  if (!peer || localPort === undefined) return undefined;
  const file = StoredFile.open(path, size);
  // There is no await since requestIP. Only this thread closes connections, so this one is still open.
  const sent = senders.send({ peer, localPort, head: headOf(answer), file: file.descriptor, start, end });
  if (sent === undefined) {
    file.close();
    return undefined;
  }
  return untilSent(sent, answer, ports).finally(() => file.close());
}

async function untilSent(
  sending: NonNullable<ReturnType<FileSender['send']>>,
  { status, headers }: FileResponse,
  { request, server, stats, failed }: HandOverPorts,
): Promise<Response> {
  const closed = untilClosed(request);
  server?.timeout(request, 0);
  const sent = await sending;
  server?.timeout(request, IDLE_SECONDS);
  stats.sent = sent.sent;
  if (sent.outcome.kind === 'failed') failed(sent.outcome.message);
  // Bun would keep a response that is returned earlier until it could send it.
  await closed;
  return respond(null, { status, headers });
}

function untilClosed({ signal }: Request): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** "A server that does not support persistent connections MUST send the "close" connection option" (RFC 9112, section 9.6). */
function headOf({ status, headers }: FileResponse): Uint8Array {
  const fields = { ...headers, ...NO_SNIFFING, Date: new Date().toUTCString(), Connection: 'close' };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`, 'latin1');
}
