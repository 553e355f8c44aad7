// A proxy in front of a real object store that simulates faults of networks and stores: lost, refused and wrong responses.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { within } from './within.ts';

export interface ProxiedRequest {
  readonly method: string;
  readonly url: URL;
  /** The number of earlier requests with this method and URL. */
  readonly before: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** `lose`: the store handles the request, but its response is lost. A Response is sent instead of calling the store. */
export type Interference = 'pass' | 'lose' | Response;

export interface S3Proxy {
  readonly endpoint: string;
  readonly seen: readonly string[];
  interfere: (request: ProxiedRequest) => Interference | Promise<Interference>;
  stop(): Promise<void>;
}

const STOP_WITHIN_MS = 30_000;

/** @param target endpoint of the store. The Host header is kept: it is signed */
export async function startS3Proxy(target: string): Promise<S3Proxy> {
  const seen: string[] = [];
  const server = createServer((incoming, outgoing) => {
    // If the connection to the store breaks, so does the client's.
    handle(incoming, outgoing).catch(() => incoming.socket.destroy());
  });

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = incoming.url ?? '/';
    const method = incoming.method ?? 'GET';
    const before = seen.filter((each) => each === `${method} ${path}`).length;
    seen.push(`${method} ${path}`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (value !== undefined) headers.set(name, String(value));
    }
    const url = new URL(path, proxy.endpoint);
    const request = { method, url, before, headers, body: Buffer.concat(chunks) };
    const what = await proxy.interfere(request);
    const answer = what instanceof Response ? what : await forward(request);
    const content = await answer.bytes();
    if (what === 'lose') {
      incoming.socket.destroy();
      return;
    }
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
    outgoing.end(method === 'HEAD' ? undefined : content);
  }

  function forward({ method, url, headers, body }: ProxiedRequest): Promise<Response> {
    const address = target + url.pathname + url.search;
    return fetch(address, { method, headers, decompress: false, ...(body.length > 0 ? { body } : {}) });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  const proxy: S3Proxy = {
    endpoint: `http://localhost:${address.port}`,
    seen,
    interfere: () => 'pass',
    stop: async () => {
      server.closeAllConnections();
      await within(STOP_WITHIN_MS, new Promise((resolve) => server.close(resolve)));
    },
  };
  return proxy;
}

/** An error response of S3. The status may be 200: S3 can fail after it has sent that. */
export function errorBody(code: string, status: number): Response {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>as the test wants it</Message></Error>`;
  return new Response(xml, { status, headers: { 'Content-Type': 'application/xml' } });
}
