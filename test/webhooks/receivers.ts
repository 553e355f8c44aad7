// Receivers of webhooks, good and bad ones, on this machine.
import { createServer, type Socket, type Server as TcpServer } from 'node:net';

/** What a receiver got. */
export interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: readonly Received[];
  readonly stop: () => Promise<void>;
}

export type Answer = (request: Received, count: number) => Response | Promise<Response>;

const accept: Answer = () => new Response(null, { status: 204 });

/** @param answer by default every delivery is accepted */
export function startReceiver(
  answer: Answer = accept,
  port = 0,
  tls?: { readonly cert: string; readonly key: string },
): Receiver {
  const received: Received[] = [];
  const server = Bun.serve({
    ...{ hostname: '127.0.0.1', port, development: false },
    ...(tls === undefined ? {} : { tls }),
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      const got = { path: pathname, headers: Object.fromEntries(request.headers), body: await request.text() };
      received.push(got);
      return await answer(got, received.length);
    },
  });
  const at = server.port ?? 0;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${at}/hook`,
    port: at,
    received,
    stop: () => server.stop(true),
  };
}

export interface RawReceiver {
  readonly url: string;
  /** How many connections there were. */
  readonly connections: () => number;
  /** Bytes that were written to all connections. */
  readonly written: () => number;
  readonly stop: () => Promise<void>;
}

/** A receiver that does with a connection what it wants, once a request has come. */
export async function startRawReceiver(behave: (socket: Socket) => void): Promise<RawReceiver> {
  const sockets: Socket[] = [];
  const server: TcpServer = createServer((socket) => {
    sockets.push(socket);
    // What the sender does to a connection is not an error of the test.
    socket.on('error', () => {});
    socket.once('data', () => behave(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    connections: () => sockets.length,
    written: () => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
